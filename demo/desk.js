// At most one call at a time: placing it, showing it, and what is told when it has ended.

import { CallLog } from "./call-log.js";
import { notify } from "./notices.js";
import { askForNotifications, offerNotifications } from "./ring.js";
import { Stage } from "./stage.js";
import { duration } from "./text.js";

export class CallDesk {
  #client;
  #changed;
  #stage;
  #call = null;
  /** Calls that were answered. */
  #taken = new WeakSet();
  log;

  /**
   * `changed(call)` is called after each change of a call, `logged` when another tab has seen one end, `focusLost` when
   * the call that had the focus is over.
   */
  constructor(client, { changed, logged, focusLost }) {
    this.#client = client;
    this.#changed = changed;
    this.#stage = new Stage({ focusLost });
    this.log = new CallLog(client.user, logged);
    client.on("call", (call) => this.#begin(call));
    offerNotifications();
  }

  /** The call that is not over, or null. */
  get call() {
    return this.#call;
  }

  place(peer, video) {
    askForNotifications();
    this.#client.call(peer, { audio: true, video });
  }

  /** Lets a running call follow the choice of a device; the loudspeaker is the page's own. */
  useDevice(kind, id) {
    if (kind === "sound") return void this.#stage.useLoudspeaker(id);
    // What is not in use stays so: a choice alone opens no camera in a voice call.
    if ([undefined, "none"].includes(this.#call?.getSnapshot()[kind])) return;
    this.#call.useDevice(kind, id).catch((error) => notify(`This device cannot be used: ${error.message}`));
  }

  #begin(call) {
    this.#call = call;
    const stop = call.subscribe(() => this.#watch(call, stop));
    this.#stage.show(call);
    this.#watch(call, stop);
  }

  #watch(call, stop) {
    const snapshot = call.getSnapshot();
    if (["connecting", "active"].includes(snapshot.state)) this.#taken.add(call);
    if (snapshot.state === "ended") {
      stop();
      if (this.#call === call) this.#call = null;
      notify(farewell(call.peer, snapshot));
      this.log.add(call, {
        text: trace(call, snapshot, this.#taken.has(call)),
        isMissed: isMissed(call, snapshot),
        isTaken: Boolean(snapshot.activeSince),
      });
    }
    this.#changed(call);
  }
}

/** It rang here and nobody took it. */
function isMissed({ role }, { activeSince, endedByPeer, reason }) {
  return role === "callee" && !activeSince && endedByPeer && ["cancelled", "timeout", "disconnected"].includes(reason);
}

function trace(call, snapshot, isTaken) {
  const { activeSince, reason } = snapshot;
  if (activeSince) return `Call, ${duration((Date.now() - activeSince) / 1000)}`;
  if (isMissed(call, snapshot)) return "Missed call";
  if (reason === "answered_elsewhere") return "Call answered on another device";
  if (reason === "declined") return "Call declined";
  if (isTaken) return "Call without a connection";
  return call.role === "caller" ? "Call without an answer" : "Call not taken";
}

function farewell(peer, { reason, endedByPeer, activeSince, error }) {
  if (reason === "failed") return `The call failed. ${error?.message ?? ""}`;
  if (!endedByPeer) return reason === "timeout" ? `${peer} did not answer.` : "";
  const words = {
    busy: `${peer} is in another call.`,
    cancelled: `You missed a call from ${peer}.`,
    declined: `${peer} declined the call.`,
    timeout: `You missed a call from ${peer}.`,
    answered_elsewhere: "The call was answered on another device.",
    disconnected: activeSince ? `The connection to ${peer} was lost.` : `You missed a call from ${peer}.`,
    replaced: "",
  };
  return words[reason] ?? `${peer} ended the call.`;
}
