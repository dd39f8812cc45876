// The camera and the microphone, as far as there are any.

import { chosenDevice } from "./devices.js";

const WISHES = [{ audio: true, video: true }, { audio: true }, { video: true }];

/** Opens what there is; `notice` says what is missing. */
export async function openMedia(video = true) {
  // Browsers hide the devices from pages that came over plain HTTP from another machine.
  if (!navigator.mediaDevices) return nothing("A camera needs HTTPS, or the page on localhost.");
  for (const wish of video ? WISHES : [{ audio: true }]) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia(constraints(wish));
      return { stream, notice: video ? missing(wish) : "" };
    } catch (error) {
      if (error.name === "NotAllowedError") return nothing("This page may not use your camera and microphone.");
    }
  }
  return nothing("You have no camera and no microphone, or another program uses them.");
}

function constraints({ audio, video }) {
  const choose = (kind) => ({ deviceId: chosenDevice(kind) });
  return { audio: audio && choose("audio"), video: video && choose("video") };
}

export function stopMedia(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function nothing(notice) {
  return { stream: new MediaStream(), notice };
}

function missing({ audio, video }) {
  if (audio && video) return "";
  return audio ? "Your camera cannot be used." : "Your microphone cannot be used.";
}
