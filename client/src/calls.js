// The calls of one user: which one a frame belongs to, and how one begins, is taken up again and ends.

import { pauseAfter } from "./backoff.js";
import { Call } from "./call.js";
import { isTemporary } from "./errors.js";
import { NO_WEBRTC } from "./negotiation.js";

// The server remembers the end of a call for 2 minutes.
const MEMORY = 120_000;

// Why the server may refuse an end of call that it takes later.
const PASSING = ["rate_limited", "unavailable", "internal"];

/** @typedef {import("./wire.js").ServerFrame} ServerFrame */
/** @typedef {import("./wire.js").ServerFrames["offer"]} Offer */
/** @typedef {Extract<ServerFrame, { type: Offer["type"] | "answer" | "candidate" | "ringing" | "end_call" | "peer_disconnected" | "peer_reconnected" | "error" }>} CallFrame */

/**
 * @typedef {object} CallsOwner
 * @property {import("./api.js").Api} api
 * @property {(frame: import("./wire.js").ClientFrame) => boolean} send
 * @property {Required<Pick<import("./nowoptics.js").Options, "busy">> & import("./nowoptics.js").Options} options
 * @property {(name: string, detail: any) => void} emit
 * @property {() => void} changed called when a call begins or ends
 */

export class Calls {
  /** Those that are not over. @type {Set<Call>} */
  live = new Set();
  #owner;
  /** Ids of calls that ended here. @type {Map<string, string>} */
  #ended = new Map();
  /** What follows offers of which the server is asked, by their ids. @type {Map<string, ServerFrame[]>} */
  #doubted = new Map();

  /** @param {CallsOwner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  /** @param {string} peer @param {import("./media.js").Wish} [wish] */
  call(peer, wish) {
    const current = this.#with(peer);
    if (current) {
      current.accept(wish);
      return current;
    }
    if (!this.#means().RTCPeerConnection) throw new TypeError(NO_WEBRTC);
    const call = this.#begin(peer);
    call._open(wish);
    return call;
  }

  /** The call that a new connection takes up again. */
  get idToResume() {
    return [...this.live].find((call) => call.getSnapshot().state !== "ringing")?.id;
  }

  /** A connection has registered. @param {import("./wire.js").LiveCall[]} list those that the server knows */
  resume(list) {
    for (const { call_id: id, with: peer } of list) {
      // Its end was on its way when the connection was lost.
      if (this.#ended.has(id)) this.#owner.send({ type: "end_call", target: peer, call_id: id, reason: this.#ended.get(id) });
    }
    for (const call of this.live) call._resume(list.find(({ call_id: id }) => id === call.id));
  }

  /** Takes a frame that is about a call; whether it was. @param {ServerFrame} told */
  receive(told) {
    if (!isAboutCalls(told)) return false;
    // A server may let pass whatever another client sent as an id.
    const frame = isId(told.call_id) ? told : { ...told, call_id: /** @type {any} */ (undefined) };
    if (frame.type === "offer") {
      this.#offered(frame);
      return true;
    }
    const doubted = this.#doubted.get(frame.call_id);
    if (doubted) {
      doubted.push(frame);
      return true;
    }
    const call = [...this.live].find((each) => each._owns(frame));
    const { call_id: id, code = "", request_type: refused = "", target } = frame.type === "error" ? frame : {};
    if (refused === "end_call" && id && target && PASSING.includes(code)) {
      // Only an offer that crossed another is cancelled without being remembered.
      this.#endLater(target, id, this.#ended.get(id) ?? "cancelled", false);
      return true;
    }
    // Typing, which a call has nothing to do with, may be refused as well.
    if (frame.type === "error" && !(call && (id || refused in ABOUT_CALLS))) {
      return code === "glare" || refused === "candidate" || refused === "end_call";
    }
    call?._receive(frame);
    return true;
  }

  /** Ends all of them, from a page that goes away or a client that is closed. */
  leave() {
    for (const call of this.live) call._leave();
  }

  /** Ends what is left without a word, as those that ring and may be answered elsewhere. */
  drop() {
    for (const call of this.live) {
      call._end("disconnected", false);
      // Once connected again it rings again.
      this.#ended.delete(call.id);
    }
  }

  /** @param {Offer} frame */
  #offered(frame) {
    const { sender: peer, call_id: id } = frame;
    // A call without an id could not be answered: the server knows it by one of its own.
    if (!id || this.#ended.has(id)) return;
    const current = this.#with(peer);
    if (current && current.id === id) return void current._receive(frame);
    if (current && current.getSnapshot().state === "calling") return current._meet(frame);
    if (!current && this.live.size && this.#owner.options.busy) {
      this.#remember(id, "busy");
      return void this.#owner.send({ type: "end_call", target: peer, call_id: id, reason: "busy" });
    }
    if (current) return void this.#replace(current, frame);
    this.#owner.emit("ring", this.#begin(peer, frame));
  }

  /** An offer of another call with the same peer: they start anew, after a reload perhaps, or it comes late, of a call that is over. @param {Call} current @param {Offer} offer */
  async #replace(current, offer) {
    if (this.#doubted.has(offer.call_id)) return;
    this.#doubted.set(offer.call_id, []);
    const known = await this.#ask(current.peer).catch(() => null);
    const followers = this.#doubted.get(offer.call_id) ?? [];
    this.#doubted.delete(offer.call_id);
    if (known?.call_id === current.id && known.state !== "ended") return;
    current._end("replaced", true);
    this.receive(offer);
    for (const frame of followers) this.receive(frame);
  }

  /** What the server knows of the call with a peer, or null. @param {string} peer @returns {Promise<import("./wire.js").KnownCall | null>} */
  #ask(peer) {
    return this.#owner.api.request("GET /calls/{peer}", { query: { peer } }).then(
      ({ answer }) => answer,
      (error) => (error.status === 404 ? null : Promise.reject(error)),
    );
  }

  /** @param {string} peer @param {Offer} [offer] */
  #begin(peer, offer) {
    const { send, emit } = this.#owner;
    const call = new Call(
      {
        send,
        ask: () => this.#ask(peer),
        means: this.#means(),
        endLater: (id, reason, isLast) => this.#endLater(peer, id, reason, isLast),
        changed: () => this.#forget(call),
      },
      peer,
      offer,
    );
    this.live.add(call);
    this.#owner.changed();
    emit("call", call);
    return call;
  }

  /** What media are made of. @returns {import("./negotiation.js").Means} */
  #means() {
    const { RTCPeerConnection = globalThis.RTCPeerConnection, openMedia } = this.#owner.options;
    return { RTCPeerConnection, openMedia, configure: () => this.#configure() };
  }

  async #configure() {
    // Without the answer a call may still come about, on one network.
    const { answer } = await this.#owner.api.request("GET /ice-servers").catch(() => ({ answer: { iceServers: [] } }));
    return { iceServers: answer.iceServers, ...this.#owner.options.rtc };
  }

  /** @param {Call} call */
  #forget(call) {
    this.live.delete(call);
    const { reason, endedByPeer } = call.getSnapshot();
    if (!endedByPeer && reason) this.#remember(call.id, reason);
    this.#owner.changed();
  }

  /** @param {string} id @param {string} reason */
  #remember(id, reason) {
    this.#ended.set(id, reason);
    /** @type {any} */
    const timer = setTimeout(() => this.#ended.delete(id), MEMORY);
    // In Node a program need not stay for this.
    timer.unref?.();
  }

  /** Tells the server of an end by REST, until it knows or has forgotten the call anyway. @param {string} peer @param {string} id @param {string} reason @param {boolean} isLast */
  async #endLater(peer, id, reason, isLast) {
    const giveUpAt = Date.now() + MEMORY;
    for (let failures = 0; Date.now() < giveUpAt; failures++) {
      try {
        await this.#owner.api.request("POST /calls/{peer}/end", { query: { peer }, body: { call_id: id, reason }, isLast });
        return;
      } catch (error) {
        if (isLast || !isTemporary(error)) return;
        await new Promise((resolve) => setTimeout(resolve, pauseAfter(failures, error)));
      }
    }
  }

  /** @param {string} peer */
  #with(peer) {
    return [...this.live].find((call) => call.peer === peer);
  }
}

/** @param {unknown} id */
function isId(id) {
  if (typeof id !== "string") return false;
  const { length } = new TextEncoder().encode(id);
  return length >= 8 && length <= 64;
}

/** @param {ServerFrame} frame @returns {frame is CallFrame} */
function isAboutCalls(frame) {
  return frame.type !== undefined && frame.type in ABOUT_CALLS;
}

/** @type {Record<CallFrame["type"], true>} */
const ABOUT_CALLS = {
  offer: true,
  answer: true,
  candidate: true,
  ringing: true,
  end_call: true,
  peer_disconnected: true,
  peer_reconnected: true,
  error: true,
};
