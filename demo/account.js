// The user that this page is to the server: the one it names, or, where tokens are asked for, the one in a token of
// the server's own issuer.

const TIME_LIMIT = 15_000;
// A token is renewed this long before it expires.
const MARGIN = 60_000;

/** The server asks for a token that this page cannot get. */
export class SignInError extends Error {}

export class Account {
  #user;
  /** Undefined until the server was asked. */
  #tokensNeeded;
  #token;
  #renewAt = 0;

  constructor(user) {
    this.#user = user;
  }

  /** Headers that say who asks; none where the server takes everyone's word. */
  async headers() {
    this.#tokensNeeded ??= await this.#askServer();
    if (!this.#tokensNeeded) return {};
    if (Date.now() >= this.#renewAt) await this.#signIn();
    return { authorization: `Bearer ${this.#token}` };
  }

  /** A ticket, which opens one WebSocket, as those have no headers; undefined where none is needed. */
  async ticket() {
    const headers = await this.headers();
    if (!this.#tokensNeeded) return undefined;
    const response = await ask("/tickets", { method: "POST", headers });
    if (!response.ok) throw new Error(`no ticket: ${response.status}`);
    return (await response.json()).ticket;
  }

  /** Asks the server anew next time: it may be another one by then. */
  forget() {
    this.#tokensNeeded = undefined;
    this.#renewAt = 0;
  }

  async #askServer() {
    const query = new URLSearchParams({ user: this.#user, limit: 1 });
    return (await ask(`/messages?${query}`)).status === 401;
  }

  async #signIn() {
    const configuration = await ask("/.well-known/openid-configuration");
    if (!configuration.ok) throw new SignInError("This server takes only tokens that this page cannot get.");
    const { token_endpoint: endpoint } = await configuration.json();
    const body = new URLSearchParams({ sub: this.#user });
    const response = await ask(endpoint, { method: "POST", body });
    if (!response.ok) throw new Error(`no token: ${response.status}`);
    const { access_token: token, expires_in: seconds } = await response.json();
    this.#token = token;
    this.#renewAt = Date.now() + seconds * 1000 - MARGIN;
  }
}

function ask(url, request) {
  return fetch(url, { ...request, signal: AbortSignal.timeout(TIME_LIMIT) });
}
