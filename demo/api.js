// The REST half of the API: messages.

const TIME_LIMIT = 15_000;

export class ApiError extends Error {}

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

  async createMessage(sender, receiver, content) {
    const body = { sender_id: sender, receiver_id: receiver, content };
    return (await this.#request("POST", "/messages", body)).answer.data;
  }

  async updateMessage(id, content) {
    return (await this.#request("PUT", `/messages/${id}`, { content })).answer.data;
  }

  async deleteMessage(id) {
    await this.#request("DELETE", `/messages/${id}`);
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
      throw new ApiError(answer?.error ?? answer?.message ?? `The server answered ${response.status}.`);
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
