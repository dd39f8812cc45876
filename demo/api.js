// The REST half of the API: messages and events.

const TIME_LIMIT = 15_000;
// How long to wait before a change that got no answer is repeated.
const PAUSES = [500, 2_000];

export class ApiError extends Error {
  /** Undefined where there was no answer. */
  status;
  answer;

  constructor(sentence, status, answer) {
    super(sentence);
    Object.assign(this, { status, answer });
  }

  /** Whether it may have been carried out all the same, in part at least. */
  get isOpen() {
    return this.status === undefined || this.status >= 500;
  }
}

export class Api {
  #account;
  #record;

  /** `record` is told of every request and its answer. */
  constructor(account, record) {
    this.#account = account;
    this.#record = record;
  }

  /**
   * A user's latest messages, oldest first; with a peer, only those between the two. They are `complete`
   * unless the server links to older ones.
   */
  async listMessages(user, peer) {
    const query = new URLSearchParams(peer === undefined ? { user } : { user, with: peer });
    const { answer, headers } = await this.#request("GET", `/messages?${query}`);
    return { messages: answer, complete: !headers.has("link") };
  }

  /**
   * What changed for a user since a position. Where the server does not know that (any more), nothing, and `lost`: the
   * messages must be listed again.
   */
  async listEvents(user, since) {
    const query = new URLSearchParams(since === undefined ? { user } : { user, since });
    try {
      return { ...(await this.#request("GET", `/events?${query}`)).answer, lost: since === undefined };
    } catch (error) {
      if (error.status !== 410) throw error;
      return { events: [], event_id: error.answer.event_id, more: false, lost: true };
    }
  }

  /** `id` names the message, so that sending it may be repeated. */
  async createMessage(sender, receiver, content, id) {
    const body = { sender_id: sender, receiver_id: receiver, content, client_id: id };
    return (await this.#change("POST", "/messages", body)).answer.data;
  }

  async updateMessage(id, content) {
    return (await this.#change("PUT", `/messages/${id}`, { content })).answer.data;
  }

  async deleteMessage(id) {
    await this.#change("DELETE", `/messages/${id}`);
  }

  /** Repeats a request that got no answer: what was done in part is finished so, and done once. */
  async #change(method, path, body) {
    for (const pause of PAUSES) {
      try {
        return await this.#request(method, path, body);
      } catch (error) {
        if (!error.isOpen) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    return this.#request(method, path, body);
  }

  async #request(method, path, body) {
    const request = { method, signal: AbortSignal.timeout(TIME_LIMIT) };
    let response, text;
    try {
      request.headers = await this.#account.headers();
      if (body !== undefined) {
        request.headers["content-type"] = "application/json";
        request.body = JSON.stringify(body);
      }
      response = await fetch(path, request);
      text = await response.text();
    } catch {
      this.#record({ way: "failed", kind: method, gist: decodeURIComponent(path), body: { request: body } });
      throw new ApiError("The server cannot be reached.");
    }
    const answer = parse(text);
    const way = response.ok ? "asked" : "failed";
    const gist = `${response.status}  ${decodeURIComponent(path)}`;
    this.#record({ way, kind: method, gist, body: { request: body, answer: answer ?? text } });
    if (!response.ok) {
      const sentence = answer?.error ?? answer?.message ?? `The server answered ${response.status}.`;
      throw new ApiError(sentence, response.status, answer);
    }
    return { answer, headers: response.headers };
  }
}

/** Undefined for what is not JSON: a proxy's error page, for example. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
