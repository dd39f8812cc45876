// The client of one user: one connection, its chat and its calls.

import { Api } from "./api.js";
import { Calls } from "./calls.js";
import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { Emitter, Observable } from "./observable.js";

/**
 * @typedef {object} Options
 * @property {string} [user] the user key; may be left out with `token`
 * @property {string} [api] URL of the REST API; the page's own origin unless given
 * @property {string} [live] URL of the WebSocket API; that of `api` unless given
 * @property {(refused?: string) => string | undefined | Promise<string | undefined>} [token] a bearer token; `refused` is one
 *   that the server has just refused
 * @property {Storage | null} [storage] where what is not sent yet survives a reload
 * @property {import("./media.js").OpenMedia} [openMedia] opens camera and microphone
 * @property {any} [WebSocket] in place of the global one
 * @property {any} [RTCPeerConnection] in place of the global one
 * @property {RTCConfiguration} [rtc] more configuration for each peer connection
 * @property {boolean} [busy] whether another peer's call is answered `busy` during one; true unless given
 *
 * @typedef {object} ClientSnapshot
 * @property {import("./connection.js").ConnectionState} state
 * @property {number} retryAt while `waiting`, in milliseconds since 1970
 * @property {Error | null} error why there is no connection
 * @property {readonly import("./call.js").Call[]} calls those that are not over
 */

/** @extends {Observable<ClientSnapshot>} */
export class NowOptics extends Observable {
  #emitter = new Emitter();
  #api;
  /** @type {Connection} */
  #connection;
  /** @type {Calls} */
  #calls;
  #chat;
  #wanted = false;
  /** @type {any} */
  #settling;

  /** @param {Options} options */
  constructor({ user, api = globalThis.location?.origin, live, token = () => undefined, ...options }) {
    super({ state: "closed", retryAt: 0, error: null, calls: [] });
    if (!api) throw new TypeError("The option api is missing: the URL of the REST API.");
    const { WebSocket = globalThis.WebSocket } = options;
    if (!WebSocket) throw new TypeError("There is no WebSocket here: give one as an option.");
    /** @param {string} direction @param {any} frame */
    const log = (direction, frame) => this.#emitter.emit("frame", { direction, frame, at: Date.now() });
    /** @param {string} name @param {any} detail */
    const emit = (name, detail) => this.#emitter.emit(name, detail);
    /** @param {import("./wire.js").ClientFrame} frame */
    const send = (frame) => this.#connection.send(/** @type {typeof frame} */ ({ ...frame, userKey: this.user }));
    this.#api = new Api(api, token, (entry) => emit("request", entry));
    this.#api.user = user;
    this.#calls = new Calls({ api: this.#api, options: { busy: true, ...options }, send, emit, changed: () => this.#showCalls() });
    const storage = options.storage === undefined ? (globalThis.localStorage ?? null) : options.storage;
    this.#chat = new Chat({ api: this.#api, storage, place: api, send, emit });
    this.#connection = new Connection({
      url: live ?? api.replace(/^http/, "ws"),
      WebSocket,
      ticket: () => this.#api.ticket(),
      probe: () => this.#api.probe(),
      registration: () => ({ userKey: this.user, call_id: this.#calls.idToResume }),
      identify: (userKey) => void (this.#api.user = userKey),
      receive: (frame) => this.#receive(frame),
      enter: (state, retryAt, error) => {
        if (state !== "online") this.#chat.isOnline = false;
        this._set({ state, retryAt, error });
      },
      log,
    });
  }

  /** The user key; with `token` it may be known only once registered. */
  get user() {
    return this.#api.user;
  }

  get conversations() {
    return this.#chat.conversations;
  }

  /** Opens the connection and keeps it open. @returns {() => void} closes it */
  connect = () => {
    this.#want(true);
    return this.close;
  };

  /** Ends calls and the connection. */
  close = () => this.#want(false);

  /** Tries at once, where it waits. */
  retry() {
    if (this.#connection.state !== "closed" && this.#connection.state !== "refused") this.#connection.check();
  }

  /** @param {string} name @param {(detail: any) => void} listener @returns {() => void} ends it */
  on(name, listener) {
    return this.#emitter.on(name, listener);
  }

  /** Calls somebody, or answers where that one rings. @param {string} peer @param {import("./media.js").Wish} [wish] */
  call(peer, wish) {
    if (peer === this.user) throw new TypeError("Nobody can call themselves.");
    return this.#calls.call(peer, wish);
  }

  /** The conversation with a peer, always the same object. @param {string} peer */
  conversation(peer) {
    return this.#chat.conversation(peer);
  }

  /** Closing and connecting in one turn, as React's strict mode does, is none of both. @param {boolean} wanted */
  #want(wanted) {
    this.#wanted = wanted;
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      const isOpen = !["closed", "refused"].includes(this.#connection.state);
      if (this.#wanted && !isOpen) this.#open();
      else if (!this.#wanted && this.#connection.state !== "closed") this.#close();
    });
  }

  #open() {
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.addEventListener?.("pagehide", this.#leave);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#chat.open();
    this.#connection.open();
  }

  #close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.removeEventListener?.("pagehide", this.#leave);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#calls.leave();
    this.#calls.drop();
    this.#chat.close();
    this.#connection.close();
  }

  /** The network or the page is back. */
  #wake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    this.retry();
    this.#chat.outbox.wake();
    this.#chat.follow();
  };

  // The peer need not wait for the connection to be missed.
  #leave = () => this.#calls.leave();

  /** @param {import("./wire.js").ServerFrame} frame */
  #receive(frame) {
    const isElsewhere = frame.type === "end_call" && frame.reason === "answered_elsewhere";
    // It may speak of the former connection; whether this one takes part, `registered` tells.
    if (isElsewhere && this.getSnapshot().state !== "online" && frame.call_id === this.#calls.idToResume) return;
    if (frame.type === "registered") {
      this.#calls.resume(frame.calls ?? []);
      this.#chat.registered(frame.event_id);
    } else if (!this.#calls.receive(frame) && !this.#chat.receive(frame)) {
      if (frame.type === "error" || frame.type === undefined) {
        this.#emitter.emit("error", Object.assign(new Error(frame.type === "error" ? frame.error : frame.message), { frame }));
      }
    }
  }

  #showCalls() {
    this._set({ calls: Object.freeze([...this.#calls.live]) });
  }
}
