// What this side of a call sends: microphone, and camera or screen, from the opening of a device to its stop.

import { fromDevices } from "./media.js";

/** @typedef {import("./media.js").Kind} Kind */
/** @typedef {"on" | "off" | "none" | "unknown"} TrackState */

export class Tracks {
  /** Where they are sent. @type {import("./peer.js").Peer | null} */
  peer = null;
  #stream;
  #open;
  #show;
  #isOver = false;
  /** Those that were opened here, and so are stopped here. @type {Set<MediaStreamTrack>} */
  #own = new Set();
  /** The camera while the screen is shown. @type {MediaStreamTrack | null | undefined} */
  #camera;

  /**
   * @param {MediaStream | null} stream shows them on this side
   * @param {import("./media.js").OpenMedia | undefined} open
   * @param {(states: { audio: TrackState, video: TrackState, isSharing: boolean }) => void} show
   */
  constructor(stream, open = fromDevices(), show) {
    this.#stream = stream;
    this.#open = open;
    this.#show = show;
  }

  /** Takes what was opened for the call. @param {MediaStream | null} stream @param {boolean} isOwn whether it is stopped with the call */
  add(stream, isOwn) {
    for (const track of stream?.getTracks() ?? []) {
      if (isOwn) this.#own.add(track);
      if (!this.#isOver) this.#stream?.addTrack(track);
    }
    if (this.#isOver) this.stop();
  }

  /** @param {Kind} kind */
  of(kind) {
    return this.#stream?.getTracks().filter((track) => track.kind === kind) ?? [];
  }

  /** @param {Kind} kind @param {boolean} enabled */
  async enable(kind, enabled) {
    const tracks = this.of(kind);
    for (const track of tracks) track.enabled = enabled;
    if (enabled && !tracks.length) await this.use(kind, { [kind]: true });
    this.tell();
  }

  /** Opens a device and sends it in place of the one before. @param {Kind} kind @param {MediaStreamConstraints} constraints */
  async use(kind, constraints) {
    if (!this.#open) throw new Error("No device can be opened here.");
    const [track] = (await this.#open(constraints)).getTracks().filter((each) => each.kind === kind);
    if (this.#isOver) return track.stop();
    this.#own.add(track);
    if (kind === "video" && this.#camera !== undefined) {
      // The screen is shown: this is what comes after.
      this.#camera?.stop();
      this.#camera = track;
      return;
    }
    track.enabled = this.of(kind).every(({ enabled }) => enabled);
    await this.#put(kind, track);
  }

  /** @param {MediaStream} [stream] of a screen that is captured already */
  async share(stream) {
    const [track] = (stream ?? (await navigator.mediaDevices.getDisplayMedia({ video: true }))).getVideoTracks();
    if (this.#isOver) return track.stop();
    const camera = this.#camera === undefined ? (this.of("video")[0] ?? null) : this.#camera;
    track.onended = () => void this.stopSharing();
    await this.#put("video", track, camera);
    this.#camera = camera;
    this.tell();
  }

  async stopSharing() {
    if (this.#camera === undefined || this.#isOver) return;
    const camera = this.#camera;
    this.#camera = undefined;
    await this.#put("video", camera);
  }

  /** Shows how they are, here and to the peer. */
  tell() {
    /** @param {Kind} kind @returns {TrackState} */
    const stateOf = (kind) => {
      const tracks = this.of(kind);
      return !tracks.length ? "none" : tracks.some(({ enabled }) => enabled) ? "on" : "off";
    };
    const [audio, video, isSharing] = [stateOf("audio"), stateOf("video"), this.#camera !== undefined];
    this.#show({ audio, video, isSharing });
    this.peer?.tell({ audio, video, sharing: isSharing });
  }

  /** The call is over. */
  stop() {
    this.#isOver = true;
    for (const track of this.#own) track.stop();
  }

  /** Sends a track in place of the one of its kind, or none. @param {Kind} kind @param {MediaStreamTrack | null} track @param {MediaStreamTrack | null} [kept] not to be stopped */
  async #put(kind, track, kept) {
    const stream = /** @type {MediaStream} */ (this.#stream);
    const sender = this.peer?.sender(kind);
    if (sender) await sender.replaceTrack(track);
    else if (track) this.peer?.connection.addTrack(track, stream);
    for (const former of this.of(kind)) {
      stream.removeTrack(former);
      if (former !== kept) former.stop();
    }
    if (track) {
      this.#own.add(track);
      stream.addTrack(track);
    }
    this.tell();
  }
}
