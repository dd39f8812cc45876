// Tells the server who signs in: by the name alone, or by a token of its development issuer.

import { SignInError } from "/client/index.js";

const TIME_LIMIT = 15_000;
// A token is renewed this long before it expires.
const MARGIN = 60_000;

/** Whether the server wants a token; undefined where it cannot be asked. */
export async function wantsToken(api = location.origin) {
  try {
    return (await ask(new URL("/messages?user=-&limit=1", api))).status === 401;
  } catch {
    return undefined;
  }
}

/** Gets tokens for a name from the issuer that stands in for a user pool on a development machine. */
export class DevelopmentAccount {
  #user;
  #api;
  #token;
  #renewAt = 0;
  #isNeeded;

  /** `api` is where the API is, the page's own origin unless given. */
  constructor(user, api = location.origin) {
    this.#user = user;
    this.#api = api;
  }

  /** As the client package asks for it; `refused` is a token that the server did not take. */
  token = async (refused) => {
    if (refused !== undefined) this.#renewAt = 0;
    this.#isNeeded ??= await wantsToken(this.#api);
    if (!this.#isNeeded) return undefined;
    if (Date.now() >= this.#renewAt) await this.#signIn();
    return this.#token;
  };

  async #signIn() {
    const configuration = await ask(new URL("/.well-known/openid-configuration", this.#api));
    if (!configuration.ok) throw new SignInError("This server takes only tokens that this page cannot get.");
    const { token_endpoint: endpoint } = await configuration.json();
    const response = await ask(endpoint, { method: "POST", body: new URLSearchParams({ sub: this.#user }) });
    if (!response.ok) throw new Error(`no token: ${response.status}`);
    const { access_token: token, expires_in: seconds } = await response.json();
    this.#token = token;
    this.#renewAt = Date.now() + seconds * 1000 - MARGIN;
  }
}

function ask(url, request) {
  return fetch(url, { ...request, signal: AbortSignal.timeout(TIME_LIMIT) });
}
