// The call as the person sees it: who rings, both videos, the buttons.

import { showAvatar } from "./avatar.js";

const STATUS = {
  calling: "Calling…",
  ringing: "is calling you",
  connecting: "Connecting…",
};

const find = (id) => document.getElementById(id);

export class Stage {
  #call = null;
  #clock;

  constructor() {
    find("accept").onclick = () => {
      this.#call.accept();
      // The button that had the focus is gone.
      find("stage").focus();
    };
    find("decline").onclick = () => this.#call.decline();
    find("hang-up").onclick = () => this.#call.hangUp();
    find("mute").onclick = () => this.#call.enable("audio", !this.#call.isEnabled("audio"));
    find("camera-off").onclick = () => this.#call.enable("video", !this.#call.isEnabled("video"));
  }

  show(call) {
    this.#call = call;
    showAvatar(find("call-avatar"), call.peer);
    find("call-peer").textContent = call.peer;
    call.addEventListener("change", () => this.#render());
    this.#clock = setInterval(() => this.#render(), 1000);
    this.#render();
    if (call.state === "ringing") find("accept").focus();
  }

  #render() {
    const call = this.#call;
    const stage = find("stage");
    stage.hidden = call.state === "ended";
    stage.dataset.state = call.state;
    if (call.state === "ended") {
      clearInterval(this.#clock);
      play("remote-video", null);
      play("local-video", null);
      return;
    }
    // Apart from the status, which is read out loud whenever it changes.
    find("call-duration").textContent = call.activeSince ? duration(call) : "";
    const status = [STATUS[call.state], call.notice].filter(Boolean).join(" · ");
    if (find("call-status").textContent !== status) find("call-status").textContent = status;
    play("remote-video", call.remoteStream);
    play("local-video", call.localStream);
    find("local-video").hidden = !call.isEnabled("video");

    const ringing = call.state === "ringing";
    find("accept").hidden = find("decline").hidden = !ringing;
    find("hang-up").hidden = ringing;
    toggle("mute", "audio", call);
    toggle("camera-off", "video", call);
  }
}

/** Setting the same stream again would make the picture flicker. */
function play(id, stream) {
  const video = find(id);
  if (video.srcObject !== stream) video.srcObject = stream;
}

function toggle(id, kind, call) {
  const button = find(id);
  button.hidden = !call.has(kind);
  button.ariaPressed = String(!call.isEnabled(kind));
}

function duration({ activeSince }) {
  const seconds = Math.floor((Date.now() - activeSince) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
