// One call with one peer: its states, its signaling, and what mends them. docs/protocol.md has the rules.

import { firstSnapshot } from "./call-snapshot.js";
import { Negotiation } from "./negotiation.js";
import { Observable } from "./observable.js";
import { Timers } from "./timers.js";

/** @typedef {import("./media.js").Kind} Kind */
/** @typedef {import("./media.js").Wish} Wish */
/** @typedef {import("./wire.js").ServerFrames} ServerFrames */

/**
 * @typedef {object} CallOwner
 * @property {(frame: import("./wire.js").ClientFrame) => boolean} send
 * @property {() => Promise<import("./wire.js").KnownCall | null>} ask what the server knows of the call with this peer, or null
 * @property {import("./negotiation.js").Means} means of the media
 * @property {(id: string, reason: string, isLast: boolean) => void} endLater a hang-up that no frame could tell
 * @property {(call: Call) => void} changed called when it is over
 */

/** @extends {Observable<import("./call-snapshot.js").CallSnapshot>} */
export class Call extends Observable {
  /** An id tells a call from the one before it. @type {string} */
  id;
  /** @type {string} */
  peer;
  /** @type {import("./wire.js").Role} */
  role;
  #owner;
  #negotiation;
  #timers;

  /** @param {CallOwner} owner @param {string} peer @param {ServerFrames["offer"]} [offer] the frame that rang; without, we call @internal */
  constructor(owner, peer, offer) {
    super(firstSnapshot(offer));
    this.#owner = owner;
    this.peer = peer;
    this.role = offer ? "callee" : "caller";
    this.id = offer?.call_id ?? crypto.randomUUID();
    this.#negotiation = new Negotiation(
      owner.means,
      {
        signal: (type, data) => void this.#say(type, { data }),
        show: (fields) => this._set(fields),
        described: () => this.#described(),
        follow: (state) => this.#follow(state),
        fail: (error) => this.#fail(error),
      },
      this.getSnapshot(),
      offer && (offer.data ?? null),
    );
    this.#timers = new Timers({
      expired: () => (this.#rings ? this.#finish("timeout") : this.#fail(new Error("No connection came about."))),
      restart: () => this.#negotiation.restart(),
      isUncertain: () => this.#rings || this.getSnapshot().isPeerAway,
      verify: () => void this._verify(),
    });
    this.#timers.ring(offer !== undefined);
    // A peer that sends no ids would not know the frame.
    if (offer && !this.id.startsWith("s-")) this.#say("ringing");
  }

  get peerConnection() {
    return this.#negotiation.connection;
  }

  /** Answers a call that rings. @param {Wish} [wish] */
  accept(wish) {
    if (this.#state !== "ringing") return;
    this._set({ state: "connecting" });
    this.#timers.settle();
    this._open(wish);
  }

  decline() {
    this.#finish("declined");
  }

  hangUp() {
    const reason = this.#state === "ringing" ? "declined" : this.#state === "calling" ? "cancelled" : "hangup";
    this.#finish(reason);
  }

  /** Switches our sound or picture on or off; opens the device where there was none. @param {Kind} kind @param {boolean} enabled */
  async enable(kind, enabled) {
    await this.#negotiation.tracks.enable(kind, enabled);
  }

  /** Takes another microphone or camera. @param {Kind} kind @param {string} deviceId */
  async useDevice(kind, deviceId) {
    await this.#negotiation.tracks.use(kind, { [kind]: { deviceId: { exact: deviceId } } });
  }

  /** Shows the screen in place of the camera. @param {MediaStream} [stream] of a screen that is captured already */
  async shareScreen(stream) {
    await this.#negotiation.tracks.share(stream);
  }

  async stopSharing() {
    await this.#negotiation.tracks.stopSharing();
  }

  // The rest is between the modules of the package.

  /** Rings or answers, once devices are open. @param {Wish} [wish] @internal */
  async _open(wish) {
    await this.#negotiation.open(wish);
  }

  /** Whether a frame is about this call; those of older clients name none. @param {{ sender?: string, target?: string, call_id?: string }} frame @internal */
  _owns({ sender, target, call_id: id }) {
    return this.#state !== "ended" && (sender ?? target) === this.peer && (id === undefined || id === this.id);
  }

  /** @param {import("./calls.js").CallFrame} frame @internal */
  _receive(frame) {
    this.#timers.heard();
    switch (frame.type) {
      case "offer":
      case "answer":
        return void this.#negotiation.take(frame.data);
      case "candidate":
        return this.#negotiation.addCandidate(frame.data);
      case "ringing":
        return this._set({ isRinging: true, isPeerAbsent: false });
      case "peer_disconnected":
        return this._set({ isPeerAway: true });
      case "peer_reconnected":
        return this._set({ isPeerAway: false });
      case "end_call":
        return this._end(frame.reason ?? "hangup", true);
      case "error":
        return this.#refused(frame);
    }
  }

  /** Both rang at once, and theirs goes on: our own is over, and becomes the answer to theirs. @param {ServerFrames["offer"]} offer @internal */
  _meet({ call_id: id, data }) {
    this.#tellEnd("cancelled");
    this.role = "callee";
    this.id = id;
    this._set({ state: "connecting" });
    this.#negotiation.yieldTo(data);
  }

  /** A connection has registered: goes on where the former one stopped. @param {import("./wire.js").LiveCall} [known] what the server says of this call @internal */
  _resume(known) {
    if (this.#state === "ringing" && known) return;
    if (!known && !(this.#state === "calling" && !this.peerConnection)) return void this._verify();
    if (known?.state === "active" && known.here === false) return this._end("answered_elsewhere", true);
    this._set({ isPeerAway: known?.away !== undefined });
    this.#negotiation.repeat();
    if (this.#state === "active" && this.getSnapshot().network === "reconnecting") this.#negotiation.restart();
  }

  /** Asks the server what holds, and follows it. @internal */
  async _verify() {
    this.#timers.asked();
    const { id } = this;
    const known = await this.#owner.ask().catch(() => undefined);
    if (known === undefined || this.#state === "ended" || id !== this.id) return;
    const isOurs = known?.call_id === id;
    if (isOurs && known.state === "ended") return this._end(known.reason ?? "hangup", true);
    if (isOurs && known.state === "active" && this.#state === "ringing") return this._end("answered_elsewhere", true);
    // An offer that is not known was lost on the way, or crossed another, which the server then tells.
    if (!isOurs && this.#state !== "calling") return this._end("disconnected", true);
    if (isOurs) this._set({ isPeerAway: known.away !== undefined });
    const isBehind = known?.state === "active" ? this.#state === "calling" : this.role === "callee";
    if (!isOurs || isBehind) this.#negotiation.repeat();
  }

  /** @param {string} reason @param {boolean} endedByPeer @param {Error | null} [error] @internal */
  _end(reason, endedByPeer, error = null) {
    if (this.#state === "ended") return;
    this.#timers.stop();
    this.#negotiation.close();
    this._set({ state: "ended", reason, endedByPeer, error, isRinging: false, isPeerAbsent: false, isPeerAway: false });
    this.#owner.changed(this);
  }

  /** Ends it from a page that goes away, but lets a call ring that others may answer. @internal */
  _leave() {
    if (this.#state === "ringing") return;
    this.#finish(this.#state === "calling" ? "cancelled" : "hangup", null, true);
  }

  get #state() {
    return this.getSnapshot().state;
  }

  get #rings() {
    return this.#state === "calling" || this.#state === "ringing";
  }

  #described() {
    if (this.#state === "calling") this._set({ state: "connecting", isRinging: false, isPeerAbsent: false });
    if (this.#state === "connecting") this.#timers.expectConnection();
  }

  /** @param {RTCPeerConnectionState} state */
  #follow(state) {
    if (state === "connected") {
      this.#timers.settle();
      this._set({ state: "active", network: "good", activeSince: this.getSnapshot().activeSince ?? Date.now() });
    } else if (state === "disconnected") {
      this._set({ network: "weak" });
    } else if (state === "failed") {
      this._set({ network: "reconnecting" });
      this.#timers.expectReconnection();
    }
  }

  /** @param {ServerFrames["error"]} frame */
  #refused({ code, error, request_type: type, retry_after: seconds = 1 }) {
    if (code === "glare") return;
    if (code === "peer_unavailable") return this.#state === "calling" ? this._set({ isPeerAbsent: true }) : void this._verify();
    if (["rate_limited", "unavailable", "internal"].includes(code)) {
      // An ICE restart mends whatever else was lost.
      if (type !== "candidate") setTimeout(() => this.#negotiation.repeat(), seconds * 1000);
      return;
    }
    if (type === "offer" || type === "answer") this.#fail(new Error(error));
  }

  /** @param {"offer" | "answer" | "candidate" | "ringing" | "end_call"} type @param {object} [fields] */
  #say(type, fields) {
    return this.#owner.send({ type, target: this.peer, call_id: this.id, ...fields });
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#finish("failed", /** @type {Error} */ (error));
  }

  /** @param {string} reason @param {Error | null} [error] @param {boolean} [isLast] */
  #finish(reason, error = null, isLast = false) {
    if (this.#state === "ended") return;
    const wasRinging = this.#state === "ringing";
    this.#tellEnd(reason, isLast);
    this._end(reason, wasRinging && reason === "timeout", error);
  }

  /** By its id, wherever it has got to: the offer may still be on its way. @param {string} reason @param {boolean} [isLast] */
  #tellEnd(reason, isLast = false) {
    const isTold = this.#say("end_call", { reason });
    if (!isTold || isLast) this.#owner.endLater(this.id, reason, isLast);
  }
}
