// The call as the person sees it: who rings, both videos, the buttons.

import { showAvatar } from "./avatar.js";
import { notify } from "./notices.js";
import { Ring } from "./ring.js";
import { duration } from "./text.js";

const find = (id) => document.getElementById(id);

export class Stage {
  #call = null;
  #state;
  #clock;
  #ring = new Ring();

  /** `focusLost` takes the focus back when the call that had it is over. */
  constructor({ focusLost }) {
    this.focusLost = focusLost;
    find("accept").onclick = () => this.#accept(true);
    find("accept-audio").onclick = () => this.#accept(false);
    find("decline").onclick = () => this.#call.decline();
    find("hang-up").onclick = () => this.#call.hangUp();
    find("mute").onclick = () => this.#toggle("audio");
    find("camera-off").onclick = () => this.#toggle("video");
    find("share-screen").onclick = () => this.#share();
    find("full-screen").onclick = () =>
      document.fullscreenElement ? document.exitFullscreen() : find("stage").requestFullscreen();
    document.addEventListener("fullscreenchange", () => this.#showFullScreen());
    this.#showFullScreen();
  }

  /** Shows a call until it has ended. The focus stays where it is: a key that is typed must not answer a call. */
  show(call) {
    this.#call = call;
    this.#state = undefined;
    showAvatar(find("call-avatar"), call.peer);
    find("call-peer").textContent = call.peer;
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#showDuration(), 1000);
    const end = call.subscribe(() => this.#render(end));
    this.#render(end);
  }

  async #share() {
    try {
      if (this.#call.getSnapshot().isSharing) await this.#call.stopSharing();
      else await this.#call.shareScreen();
    } catch (error) {
      // The person thought better of it.
      if (error.name !== "NotAllowedError") notify(`The screen cannot be shared: ${error.message}`);
    }
  }

  useLoudspeaker(id) {
    find("remote-video").setSinkId?.(id).catch((error) => console.debug("loudspeaker:", error));
  }

  #accept(video) {
    this.#call.accept({ audio: true, video });
    // The button that had the focus is gone.
    find("stage").focus();
  }

  #toggle(kind) {
    this.#call.enable(kind, this.#call.getSnapshot()[kind] !== "on").catch((error) => notify(error.message));
  }

  #render(end) {
    const call = this.#call.getSnapshot();
    const stage = find("stage");
    if (call.state !== this.#state) this.#enter(call.state, this.#call.peer);
    if (call.state === "ended") return end();
    const isShown = call.state === "active" && call.peerVideo !== "off" && call.peerVideo !== "none";
    stage.dataset.picture = isShown ? "shown" : "none";
    const status = describe(call, this.#call.peer);
    if (find("call-status").textContent !== status) find("call-status").textContent = status;
    this.#showDuration();
    play("remote-video", call.remoteStream);
    play("local-video", call.localStream);
    find("local-video").hidden = call.video !== "on";
    find("local-video").classList.toggle("screen", call.isSharing);
    label("share-screen", call.isSharing ? "Stop sharing" : "Share screen", call.isSharing);
    label("mute", call.audio === "on" ? "Mute" : "Unmute", call.audio !== "on");
    label("camera-off", call.video === "on" ? "Camera off" : "Camera on", call.video !== "on");
  }

  #enter(state, peer) {
    this.#state = state;
    const stage = find("stage");
    const hadFocus = stage.contains(document.activeElement);
    stage.dataset.state = state;
    stage.hidden = state === "ended";
    const ringing = state === "ringing";
    for (const id of ["accept", "accept-audio", "decline"]) find(id).hidden = !ringing;
    for (const id of ["mute", "camera-off", "hang-up"]) find(id).hidden = ringing;
    find("full-screen").hidden = ringing || !document.fullscreenEnabled;
    find("share-screen").hidden = ringing || !navigator.mediaDevices?.getDisplayMedia;
    if (ringing || state === "calling") this.#ring.start(state, peer);
    else this.#ring.stop();
    if (state !== "ended") return;
    clearInterval(this.#clock);
    play("remote-video", null);
    play("local-video", null);
    if (document.fullscreenElement) document.exitFullscreen();
    if (hadFocus) this.focusLost();
  }

  /** Apart from the status, which is read out loud whenever it changes. */
  #showDuration() {
    const { activeSince } = this.#call.getSnapshot();
    find("call-duration").textContent = activeSince ? duration((Date.now() - activeSince) / 1000) : "";
  }

  #showFullScreen() {
    label("full-screen", document.fullscreenElement ? "Leave full screen" : "Full screen", false);
  }
}

const STATES = { calling: "Calling…", ringing: "is calling you", connecting: "Connecting…", active: "", ended: "" };

const MISSING = {
  camera: "Your camera cannot be used.",
  microphone: "Your microphone cannot be used.",
  both: "You have no camera and no microphone, or another program uses them.",
};

const BECAUSE = {
  denied: "This page may not use your camera or microphone.",
  insecure: "A camera needs HTTPS, or the page on localhost.",
};

function describe(call, peer) {
  const words = [call.state === "calling" && call.isRinging ? "Ringing…" : STATES[call.state]];
  if (call.isPeerAbsent) words[0] = `${peer} is not connected right now; it rings if they come within a minute`;
  if (call.state === "ringing" && call.wantsVideo === false) words[0] = "is calling you, without a picture";
  if (call.state === "active") {
    if (call.isPeerAway) words.push("Away, may come back…");
    if (call.network === "weak") words.push("The connection is weak…");
    if (call.network === "reconnecting") words.push("Reconnecting…");
    if (call.peerAudio === "off") words.push("Muted");
    if (call.peerVideo === "off") words.push("Camera off");
    if (call.isPeerSharing) words.push("Shares a screen");
  }
  if (call.missing && call.missing !== "none") words.push(BECAUSE[call.missingBecause] ?? MISSING[call.missing]);
  return words.filter(Boolean).join(" · ");
}

/** Setting the same stream again would make the picture flicker. */
function play(id, stream) {
  const video = find(id);
  if (video.srcObject !== stream) video.srcObject = stream;
}

/** A button that says what it does now. */
function label(id, text, isOff) {
  const button = find(id);
  button.classList.toggle("off", isOff);
  const words = button.querySelector(".label");
  if (words.textContent !== text) words.textContent = text;
  button.title = text;
}
