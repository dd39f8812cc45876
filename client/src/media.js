// The camera and the microphone, as far as there are any.

/** @typedef {"audio" | "video"} Kind */
/** @typedef {{ audio?: boolean, video?: boolean, stream?: MediaStream }} Wish `stream` is used in place of devices */
/** @typedef {(constraints: MediaStreamConstraints) => MediaStream | Promise<MediaStream>} OpenMedia */

/**
 * @typedef {object} Media
 * @property {MediaStream | null} stream
 * @property {"none" | "camera" | "microphone" | "both"} missing of what was wished for
 * @property {"" | "denied" | "insecure" | "unavailable"} missingBecause
 */

/** Opens what there is of what is wished for. @param {Wish} wish @param {OpenMedia} [open] @returns {Promise<Media>} */
export async function openMedia({ audio = true, video = true, stream }, open = fromDevices()) {
  if (stream) return { stream, missing: "none", missingBecause: "" };
  const nothing = globalThis.MediaStream ? new MediaStream() : null;
  const missing = audio && video ? "both" : video ? "camera" : "microphone";
  if (!audio && !video) return { stream: nothing, missing: "none", missingBecause: "" };
  if (!open) return { stream: nothing, missing, missingBecause: "insecure" };
  /** @type {Media["missingBecause"]} */
  let missingBecause = "";
  for (const wish of audio && video ? [{ audio, video }, { audio }, { video }] : [{ audio, video }]) {
    try {
      const opened = await open(wish);
      return { stream: opened, missing: !missingBecause ? "none" : "audio" in wish ? "camera" : "microphone", missingBecause };
    } catch (error) {
      const denied = /** @type {Error} */ (error).name === "NotAllowedError";
      missingBecause = denied ? "denied" : "unavailable";
      if (denied) break;
    }
  }
  return { stream: nothing, missing, missingBecause };
}

/** Browsers hide the devices from pages that came over plain HTTP from another machine. @returns {OpenMedia | undefined} */
export function fromDevices() {
  const devices = globalThis.navigator?.mediaDevices;
  return devices && ((constraints) => devices.getUserMedia(constraints));
}
