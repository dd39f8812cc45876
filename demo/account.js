// Tells the server who signs in: by the name alone, or by a token of its development issuer.

import { SignInError } from "/client/index.js";

const TIME_LIMIT = 15_000;
const CONFIGURATION = "/.well-known/openid-configuration";
// A token is renewed this long before it expires.
const MARGIN = 60_000;

/**
 * How the server knows who asks: it takes everyone's `word`, or a token of its own development `issuer`, or tokens of
 * `others`; undefined where it cannot be asked.
 */
export async function wayToSignIn(api = location.origin) {
  try {
    if ((await ask(new URL("/messages?user=-&limit=1", api))).status !== 401) return "word";
  } catch {
    return undefined;
  }
  // A deployment lets no page read that it has no such document.
  const hasIssuer = await ask(new URL(CONFIGURATION, api)).then(({ ok }) => ok, () => false);
  return hasIssuer ? "issuer" : "others";
}

export const STRANGER = "This server asks for tokens that this page cannot get.";

/** Gets tokens for a name from the issuer that stands in for a user pool on a development machine. */
export class DevelopmentAccount {
  #user;
  #api;
  #token;
  #renewAt = 0;
  #way;

  /** `api` is where the API is, the page's own origin unless given. */
  constructor(user, api = location.origin) {
    this.#user = user;
    this.#api = api;
  }

  /** As the client package asks for it; `refused` is a token that the server did not take. */
  token = async (refused) => {
    if (refused !== undefined) this.#renewAt = 0;
    this.#way ??= await wayToSignIn(this.#api);
    if (this.#way === "others") throw new SignInError(STRANGER);
    if (this.#way !== "issuer") return undefined;
    if (Date.now() >= this.#renewAt) await this.#signIn();
    return this.#token;
  };

  /** To be called when the connection is lost: the server may be another one by now, which asks for tokens. */
  reconsider() {
    this.#way = undefined;
  }

  async #signIn() {
    const configuration = await ask(new URL(CONFIGURATION, this.#api));
    if (!configuration.ok) throw new Error(`The development issuer answered ${configuration.status}.`);
    const { token_endpoint: endpoint } = await configuration.json();
    const response = await ask(endpoint, { method: "POST", body: new URLSearchParams({ sub: this.#user }) });
    if (!response.ok) throw new Error(`The development issuer gives no token: ${response.status}.`);
    const { access_token: token, expires_in: seconds } = await response.json();
    this.#token = token;
    this.#renewAt = Date.now() + seconds * 1000 - MARGIN;
  }
}

function ask(url, request) {
  return fetch(url, { ...request, signal: AbortSignal.timeout(TIME_LIMIT) });
}
