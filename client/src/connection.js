// The WebSocket half: one registered connection, opened again whenever it is lost.

import { pauseAfter } from "./backoff.js";
import { ApiError, SignInError } from "./errors.js";

// API Gateway closes a connection that was idle for 10 minutes; a dead one shows sooner.
const PING_INTERVAL = 60_000;
const ANSWER_TIMEOUT = 10_000;

/**
 * States: `connecting`, `online` (registered), `waiting` (until `retryAt`), `refused` (for good, `error` says why), `closed`.
 * @typedef {"closed" | "connecting" | "online" | "waiting" | "refused"} ConnectionState
 *
 * @typedef {object} Owner
 * @property {string} url
 * @property {any} WebSocket
 * @property {() => Promise<string | undefined>} ticket
 * @property {() => Promise<unknown>} probe rejects where a WebSocket without a ticket will never be let in
 * @property {() => { userKey?: string, call_id?: string }} registration further fields of `register`
 * @property {(userKey: string) => void} identify called with the user that the server has registered
 * @property {(frame: import("./wire.js").ServerFrame) => void} receive
 * @property {(state: ConnectionState, retryAt: number, error: Error | null) => void} enter
 * @property {(direction: string, frame: any) => void} log
 */

export class Connection {
  /** @type {ConnectionState} */
  state = "closed";
  #owner;
  /** @type {any} */
  #webSocket = null;
  /** Tells the present attempt from one that was given up. @type {object | undefined} */
  #attempt;
  #failures = 0;
  /** @type {any} */
  #answerTimer;
  /** @type {any} */
  #pause;
  /** @type {any} */
  #pings;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  async open() {
    clearTimeout(this.#pause);
    this.#enter("connecting");
    const attempt = (this.#attempt = {});
    let webSocket, ticket;
    try {
      ticket = await this.#owner.ticket();
      if (attempt !== this.#attempt) return;
      const url = new URL(this.#owner.url);
      if (ticket !== undefined) url.searchParams.set("ticket", ticket);
      webSocket = new this.#owner.WebSocket(url.href);
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(null, /** @type {Error} */ (error));
      return;
    }
    this.#webSocket = webSocket;
    this.#expectAnswer();
    webSocket.onopen = () => {
      webSocket.onerror = () => {};
      this.#transmit({ type: "register", recover: true, ...this.#owner.registration() });
    };
    webSocket.onmessage = (/** @type {MessageEvent} */ { data }) => this.#receive(data);
    const lost = new Error("The connection was lost.");
    webSocket.onclose = (/** @type {CloseEvent} */ close) => this.#lose(webSocket, lost, close);
    // It was never open. Node tells no close then, and browsers hide the 401 of a refused upgrade, so REST is asked.
    webSocket.onerror = async () => {
      webSocket.onclose = null;
      const asked = ticket === undefined ? this.#owner.probe() : Promise.resolve();
      const error = await asked.then(() => lost, (refusal) => refusal);
      this.#lose(webSocket, error, { code: 1006 });
    };
  }

  /** @param {ConnectionState} [state] @param {Error | null} [error] */
  close(state = "closed", error = null) {
    this.#drop(1000);
    this.#attempt = undefined;
    this.#enter(state, 0, error);
  }

  /** Whether the frame could be sent. @param {import("./wire.js").ClientFrame} frame */
  send(frame) {
    if (this.state !== "online") return false;
    this.#transmit(frame);
    return true;
  }

  /** Tries at once where it waits; asks whether the connection is alive where there is one. */
  check() {
    if (this.state === "waiting") this.open();
    else if (this.send({ type: "ping" })) this.#expectAnswer();
  }

  /** @param {import("./wire.js").ClientFrame} frame */
  #transmit(frame) {
    this.#webSocket.send(JSON.stringify(frame));
    this.#owner.log("sent", frame);
  }

  /** @param {string} text */
  #receive(text) {
    // Until it is registered, others' frames are no sign that it will be.
    if (this.state === "online") clearTimeout(this.#answerTimer);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame.type === "registered") {
      clearTimeout(this.#answerTimer);
      this.#owner.identify(frame.userKey);
    }
    this.#owner.log("received", frame);
    if (frame.type === "registered") {
      this.#failures = 0;
      this.#pings ??= setInterval(() => this.check(), PING_INTERVAL);
      this.#enter("online");
    } else if (frame.type === "error" && (frame.request_type === "register" || frame.code === "not_registered")) {
      const { error, code, retry_after: retryAfter } = frame;
      // With tickets, `not_registered` says that the store lost the connection: another one mends that.
      const status = ["invalid_user_key", "forbidden"].includes(code) ? 403 : undefined;
      return this.#lose(this.#webSocket, new ApiError(error, { status, code, retryAfter }));
    } else if (frame.type === undefined && this.state !== "online") {
      // The platform's own failure frames have no type: it throttled `register`, or the function failed.
      return this.#lose(this.#webSocket, new ApiError(frame.message));
    }
    this.#owner.receive(frame);
  }

  /** Anything heard is an answer; silence means that the connection is dead. */
  #expectAnswer() {
    const webSocket = this.#webSocket;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.#lose(webSocket, new Error("The server does not answer.")), ANSWER_TIMEOUT);
  }

  /** @param {any} webSocket @param {any} error @param {{ code?: number, reason?: string }} [close] */
  #lose(webSocket, error, { code, reason = error.message } = {}) {
    if (webSocket !== this.#webSocket) return;
    this.#drop();
    this.#owner.log("closed", { code, reason });
    if (error instanceof SignInError || error.status === 401 || error.status === 403) return this.close("refused", error);
    const pause = pauseAfter(this.#failures++, error);
    this.#pause = setTimeout(() => this.open(), pause);
    this.#enter("waiting", Date.now() + pause, error);
  }

  /** @param {number} [code] */
  #drop(code) {
    clearTimeout(this.#pause);
    clearTimeout(this.#answerTimer);
    clearInterval(this.#pings);
    this.#pings = undefined;
    const webSocket = this.#webSocket;
    this.#webSocket = null;
    if (!webSocket) return;
    // A WebSocket that is given up must not report an error that nobody waits for.
    webSocket.onopen = webSocket.onmessage = webSocket.onclose = null;
    webSocket.onerror = () => {};
    webSocket.close(code);
  }

  /** @param {ConnectionState} state @param {number} [retryAt] @param {Error | null} [error] */
  #enter(state, retryAt = 0, error = null) {
    this.state = state;
    this.#owner.enter(state, retryAt, error);
  }
}
