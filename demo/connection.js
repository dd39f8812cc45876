// The WebSocket half of the API: one registered connection, opened again whenever it is lost.

import { SignInError } from "./account.js";

// API Gateway closes a connection that was idle for 10 minutes; a dead one shows sooner.
const PING_INTERVAL = 60_000;
const ANSWER_TIMEOUT = 10_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

// Errors that trying again does not mend.
const REFUSALS = ["invalid_user_key", "forbidden"];

/**
 * Dispatches `state` whenever `state` changes, `frame` with each frame, `refused` when the server does not
 * take this user.
 *
 * States: `connecting`, `online` (registered), `waiting` (until `retryAt`), `closed`.
 */
export class Connection extends EventTarget {
  state = "closed";
  retryAt = 0;

  #userKey;
  #account;
  #record;
  #webSocket = null;
  #attempt;
  #failures = 0;
  #answerTimer;
  #pause;
  #pings;

  constructor(userKey, account, record) {
    super();
    this.#userKey = userKey;
    this.#account = account;
    this.#record = record;
  }

  async open() {
    clearTimeout(this.#pause);
    addEventListener("online", this.#retryNow);
    this.#enter("connecting");
    const attempt = (this.#attempt = {});
    const url = new URL("/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    try {
      const ticket = await this.#account.ticket();
      if (ticket !== undefined) url.searchParams.set("ticket", ticket);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SignInError) return this.#refuse(error.message);
      return this.#lose(null, { reason: error.message });
    }
    // Closed meanwhile.
    if (attempt !== this.#attempt) return;
    const webSocket = new WebSocket(url);
    this.#webSocket = webSocket;
    this.#expectAnswer();
    webSocket.onopen = () => this.#transmit({ type: "register", userKey: this.#userKey, recover: true });
    webSocket.onmessage = (event) => this.#receive(event.data);
    webSocket.onclose = (event) => this.#lose(webSocket, event);
  }

  /** Closes it for good. */
  close() {
    const webSocket = this.#webSocket;
    this.#webSocket = null;
    this.#attempt = undefined;
    clearTimeout(this.#pause);
    this.#stopClocks();
    removeEventListener("online", this.#retryNow);
    webSocket?.close(1000);
    this.#enter("closed");
  }

  /** Whether the frame could be sent. */
  send(frame) {
    if (this.state !== "online") return false;
    this.#transmit(frame);
    return true;
  }

  #transmit(frame) {
    const text = JSON.stringify(frame);
    this.#webSocket.send(text);
    this.#record({ way: "sent", kind: frame.type, gist: describe(frame), body: JSON.parse(text) });
  }

  #receive(text) {
    clearTimeout(this.#answerTimer);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    this.#record({ way: "received", kind: frame.type ?? "platform", gist: describe(frame), body: frame });
    if (frame.type === "registered") {
      this.#failures = 0;
      this.#pings ??= setInterval(() => this.#ping(), PING_INTERVAL);
      this.#enter("online");
    }
    if (frame.type === "error" && frame.request_type === "register") return this.#refused(frame);
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #refused({ code, error }) {
    if (!REFUSALS.includes(code)) return this.#lose(this.#webSocket, { reason: error });
    this.#refuse(error);
  }

  #refuse(sentence) {
    this.close();
    this.dispatchEvent(new CustomEvent("refused", { detail: sentence }));
  }

  #ping() {
    if (this.send({ type: "ping" })) this.#expectAnswer();
  }

  /** Anything heard is an answer; silence means that the connection is dead. */
  #expectAnswer() {
    const webSocket = this.#webSocket;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.#lose(webSocket, { reason: "no answer" }), ANSWER_TIMEOUT);
  }

  #lose(webSocket, { code, reason }) {
    if (webSocket !== this.#webSocket) return;
    if (webSocket !== null) {
      webSocket.onmessage = webSocket.onclose = null;
      webSocket.close();
    }
    this.#webSocket = null;
    this.#account.forget();
    this.#stopClocks();
    this.#record({ way: "failed", kind: "closed", gist: [code, reason].filter(Boolean).join(" "), body: { code, reason } });
    // With jitter, so that a restarted server does not meet everybody at once.
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures++, LONGEST_PAUSE) * (0.75 + Math.random() / 2);
    this.retryAt = Date.now() + pause;
    this.#pause = setTimeout(() => this.open(), pause);
    this.#enter("waiting");
  }

  #retryNow = () => {
    if (this.state === "waiting") this.open();
  };

  #stopClocks() {
    clearTimeout(this.#answerTimer);
    clearInterval(this.#pings);
    this.#pings = undefined;
  }

  #enter(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/** What a reader of the log wants to know first. */
function describe(frame) {
  if (frame.type === "error") return `${frame.code}: ${frame.error}`;
  if (frame.target !== undefined && frame.sender === undefined) return `to ${frame.target}`;
  if (frame.sender !== undefined) return `from ${frame.sender}${frame.reason ? `, ${frame.reason}` : ""}`;
  return frame.userKey ?? frame.data?.content ?? frame.data?.id ?? frame.message ?? "";
}
