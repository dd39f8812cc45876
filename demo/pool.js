// People of a deployment's Cognito user pool: signing in with a password, and tokens for as long as that lasts.

import { SignInError } from "/client/index.js";

const TIME_LIMIT = 15_000;
// A token is renewed this long before it expires.
const MARGIN = 60_000;

const KEPT = "pool session";

export class PoolAccount {
  #region;
  #client;
  #session;

  /** `pool` is `REGION:CLIENT_ID`, the client being the deployment's output `UserPoolClientId`. */
  constructor(pool) {
    [this.#region, this.#client] = pool.split(":");
    this.#session = JSON.parse(sessionStorage.getItem(KEPT));
    // A session of another pool is of no use here.
    if (this.#session?.pool !== pool) this.#session = null;
    this.pool = pool;
  }

  /** The user key: the token's `sub`; undefined until somebody has signed in. */
  get user() {
    return this.#session ? claims(this.#session.access).sub : undefined;
  }

  async signIn(name, password) {
    await this.#authenticate("USER_PASSWORD_AUTH", { USERNAME: name, PASSWORD: password });
  }

  /** As the client package asks for it; `refused` is a token that the server did not take. */
  token = async (refused) => {
    if (!this.#session) throw new SignInError("Please sign in.");
    const { access, refresh } = this.#session;
    const isOld = access === refused || Date.now() > claims(access).exp * 1000 - MARGIN;
    if (isOld) await this.#authenticate("REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: refresh });
    return this.#session.access;
  };

  async #authenticate(flow, parameters) {
    const response = await fetch(`https://cognito-idp.${this.#region}.amazonaws.com/`, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth",
      },
      body: JSON.stringify({ AuthFlow: flow, ClientId: this.#client, AuthParameters: parameters }),
      signal: AbortSignal.timeout(TIME_LIMIT),
    });
    const answer = await response.json();
    if (response.status === 400) throw new SignInError(answer.message ?? "The user pool refuses this sign-in.");
    if (!response.ok) throw new Error(`The user pool answered ${response.status}.`);
    const { AuthenticationResult: result, ChallengeName: challenge } = answer;
    if (!result) throw new SignInError(`The user pool asks for ${challenge}, which this page does not know.`);
    // A renewal brings no new refresh token.
    const refresh = result.RefreshToken ?? parameters.REFRESH_TOKEN;
    this.#session = { pool: this.pool, access: result.AccessToken, refresh };
    sessionStorage.setItem(KEPT, JSON.stringify(this.#session));
  }
}

/** Reads the claims of a token, which the server checks. */
function claims(token) {
  const [, payload] = token.split(".");
  return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
}
