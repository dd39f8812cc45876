// At most one call at a time: placing and taking it, and what is told when it has ended.

import { Call } from "./call.js";
import { notify } from "./notices.js";
import { askForNotifications } from "./ring.js";
import { Stage } from "./stage.js";

export class CallDesk {
  #me;
  #send;
  #log;
  #changed;
  #stage;
  #call = null;

  /** `send` takes a frame; `changed(call)` is called after each change of a call; `log` is a `CallLog`. */
  constructor(me, { send, log, changed, focusLost }) {
    this.#me = me;
    this.#send = send;
    this.#log = log;
    this.#changed = changed;
    this.#stage = new Stage({ focusLost });
  }

  /** The call that is not over, or null. */
  get call() {
    return this.#call;
  }

  place(peer, video) {
    askForNotifications();
    this.#begin(peer, undefined, video).start();
  }

  /** The loudspeaker follows the choice at once, a camera or microphone with the next call. */
  useDevice(kind, id) {
    if (kind === "sound") this.#stage.useLoudspeaker(id);
  }

  /** Takes a frame about a call. */
  receive(frame) {
    if (frame.type === "offer") this.#answer(frame);
    else if (this.#call?.owns(frame)) this.#call.receive(frame);
    else return false;
    return true;
  }

  #answer(frame) {
    const peer = frame.sender;
    const current = this.#call;
    if (current?.peer === peer && current.state === "calling") return current.meet(frame);
    if (current?.owns(frame)) return current.receive(frame);
    if (current?.outlives(frame)) return;
    if (current && current.peer !== peer) {
      return this.#send({ type: "end_call", target: peer, call_id: frame.call_id, reason: "busy" });
    }
    // They start anew, after a reload perhaps: the call before is over.
    current?.receive({ type: "end_call" });
    this.#begin(peer, frame);
  }

  #begin(peer, offer, video) {
    const call = new Call({ me: this.#me, peer, offer, video, send: this.#send });
    this.#call = call;
    call.subscribe(() => this.#watch(call));
    this.#stage.show(call);
    this.#watch(call);
    return call;
  }

  #watch(call) {
    if (this.#call !== call) return;
    const snapshot = call.getSnapshot();
    if (snapshot.state === "ended") {
      this.#call = null;
      notify(farewell(call.peer, snapshot));
      this.#log.add(call.peer, trace(call, snapshot), isMissed(call, snapshot));
    }
    this.#changed(call);
  }
}

/** It rang here and nobody took it. */
function isMissed({ role }, { activeSince, endedByPeer, reason }) {
  return role === "callee" && !activeSince && endedByPeer && !["answered_elsewhere", "replaced"].includes(reason);
}

function trace(call, snapshot) {
  if (snapshot.activeSince) return "Call";
  if (isMissed(call, snapshot)) return "Missed call";
  if (snapshot.reason === "answered_elsewhere") return "Call answered on another device";
  return call.role === "caller" ? "Call without an answer" : "Call not taken";
}

function farewell(peer, { reason, endedByPeer, error }) {
  if (reason === "failed") return `The call failed. ${error?.message ?? ""}`;
  if (!endedByPeer) return reason === "timeout" ? `${peer} did not answer.` : "";
  const words = {
    busy: `${peer} is in another call.`,
    cancelled: `You missed a call from ${peer}.`,
    declined: `${peer} declined the call.`,
    timeout: `You missed a call from ${peer}.`,
    unavailable: `${peer} is not connected right now.`,
    answered_elsewhere: "The call was answered on another device.",
    disconnected: `The connection to ${peer} was lost.`,
  };
  return words[reason] ?? `${peer} ended the call.`;
}
