// The REST half: requests with the user's token, and their errors.

import { ApiError } from "./errors.js";

// API Gateway gives a function 29 s at most; ours answer within 10 s.
const TIME_LIMIT = 15_000;

/** @typedef {string | undefined} Token */
/** @typedef {import("./wire.js").Routes} Routes */

/**
 * What a route takes.
 * @template {keyof Routes} R
 * @typedef {{
 *   id?: string,
 *   query?: Routes[R] extends { query: infer Q extends object } ? Q : never,
 *   body?: Routes[R] extends { body: infer B extends object } ? B : never,
 *   link?: string,
 *   isLast?: boolean,
 * }} Parts `id`: for the path, where it has one; `link`: the `Link` to follow; `isLast`: sent from a page that goes away
 */

export class Api {
  #base;
  #ask;
  #log;
  /** @type {Token} */
  #token;
  /** The user to name where the server takes everyone's word. @type {string | undefined} */
  user;

  /**
   * @param {string} base
   * @param {(refused?: string) => Token | Promise<Token>} token
   * @param {(entry: object) => void} log
   */
  constructor(base, token, log) {
    this.#base = base.replace(/\/$/, "");
    this.#ask = token;
    this.#log = log;
  }

  /**
   * @template {keyof Routes} R
   * @param {R} route as the documents name it; where the query has a peer, the path needs none
   * @param {Parts<R>} [parts]
   * @returns {Promise<{ answer: Routes[R]["answer"], isReplayed: boolean, older: string | undefined }>} `older` leads to the
   *   page before
   */
  async request(route, { id = "-", query, body, link, isLast = false } = {}) {
    const [method, pattern] = route.split(" ");
    const path = link ?? pattern.replace(/{.*}/, encodeURIComponent(id));
    if (!isLast) this.#token = await this.#ask();
    try {
      return await this.#send(method, path, query, body, isLast);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401 && this.#token) || isLast) throw error;
      this.#token = await this.#ask(this.#token);
      return this.#send(method, path, query, body, isLast);
    }
  }

  /** What opens one WebSocket: a ticket, as those have no headers; nothing where none is needed. */
  async ticket() {
    if ((await this.#ask()) === undefined) return undefined;
    return (await this.request("POST /tickets").catch(explain)).answer.ticket;
  }

  /** Asks for something that costs the server nothing. */
  probe() {
    return this.request("GET /ice-servers");
  }

  /**
   * @param {string} method @param {string} path @param {object | undefined} query @param {object | undefined} body
   * @param {boolean} keepalive
   */
  async #send(method, path, query, body, keepalive) {
    const parameters = new URLSearchParams(path.split("?")[1]);
    const fields = { user: this.#token === undefined ? this.user : undefined, ...query };
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) parameters.set(name, String(value));
    const target = `${path.split("?")[0]}${parameters.size ? `?${parameters}` : ""}`;
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`;
    // Without this header a request of the open mode needs no preflight, for which a page that goes away has no time.
    if (body && !keepalive) headers["content-type"] = "application/json";
    const entry = { method, path: target, request: body, at: Date.now() };
    let response, text;
    try {
      const signal = keepalive ? undefined : AbortSignal.timeout(TIME_LIMIT);
      response = await fetch(this.#base + target, { method, headers, keepalive, signal, body: body && JSON.stringify(body) });
      text = await response.text();
    } catch {
      this.#log(entry);
      throw new ApiError("The server cannot be reached.");
    }
    const answer = parse(text);
    const { status } = response;
    this.#log({ ...entry, status, answer: answer ?? text });
    if (!response.ok) {
      const isNameless = status === 401 && this.#token === undefined;
      const sentence = isNameless ? NO_TOKEN : (answer?.error ?? answer?.message ?? `The server answered ${status}.`);
      const retryAfter = Number(response.headers.get("retry-after")) || undefined;
      throw new ApiError(sentence, { status, code: answer?.code, retryAfter, answer });
    }
    const isReplayed = response.headers.get("idempotent-replayed") === "true";
    return { answer, isReplayed, older: /<([^>]*)>; *rel="prev"/.exec(response.headers.get("link") ?? "")?.[1] };
  }
}

const NO_TOKEN = "The server wants a token: give the client the option `token`.";
const NO_TICKETS = "The server knows no user by this token. If it takes everyone's word, leave the option `token` out.";

/** A function, not the platform, has refused the token of a ticket. @param {ApiError} error @returns {never} */
function explain(error) {
  throw error.code === "unauthenticated" ? new ApiError(NO_TICKETS, error) : error;
}

/** Undefined for what is not JSON, as a proxy's error page. @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
