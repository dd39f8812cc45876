// People of a deployment's Cognito user pool: signing in with a password, and tokens for as long as that lasts.

import { SignInError } from "/client/index.js";

const TIME_LIMIT = 15_000;
// A token is renewed this long before it expires.
const MARGIN = 60_000;

const KEPT = "pool session";

// The pool's name for what it wants of a user that an administrator made.
const NEW_PASSWORD = "NEW_PASSWORD_REQUIRED";

export class PoolAccount {
  #region;
  #client;
  #session;
  /** What the pool wants before it lets a user in. */
  #challenge = null;

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

  /** Whether the pool waits for a new password: an administrator's is good for one sign-in. */
  get wantsNewPassword() {
    return this.#challenge !== null;
  }

  /** Signs in, unless `wantsNewPassword` holds after it. */
  async signIn(name, password) {
    this.#challenge = null;
    await this.#authenticate("USER_PASSWORD_AUTH", { USERNAME: name, PASSWORD: password });
  }

  /** Answers the pool that wants a new password, and so signs in. */
  async choosePassword(password) {
    const { session, user } = this.#challenge;
    const responses = { USERNAME: user, NEW_PASSWORD: password };
    const challenge = { ChallengeName: NEW_PASSWORD, Session: session, ChallengeResponses: responses };
    this.#keep((await this.#ask("RespondToAuthChallenge", challenge)).AuthenticationResult);
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
    const answer = await this.#ask("InitiateAuth", { AuthFlow: flow, AuthParameters: parameters });
    const { AuthenticationResult: result, ChallengeName: challenge, Session: session } = answer;
    // A renewal brings no new refresh token.
    if (result) return this.#keep({ RefreshToken: parameters.REFRESH_TOKEN, ...result });
    if (challenge !== NEW_PASSWORD) throw new SignInError(`The user pool asks for ${challenge}, which this page does not know.`);
    this.#challenge = { session, user: answer.ChallengeParameters.USER_ID_FOR_SRP };
  }

  async #ask(operation, body) {
    const response = await fetch(`https://cognito-idp.${this.#region}.amazonaws.com/`, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": `AWSCognitoIdentityProviderService.${operation}`,
      },
      body: JSON.stringify({ ClientId: this.#client, ...body }),
      signal: AbortSignal.timeout(TIME_LIMIT),
    });
    const answer = await response.json();
    if (response.status === 400) {
      // The time for a new password is over: it begins with the old one again.
      if (answer.__type?.includes("NotAuthorizedException")) this.#challenge = null;
      throw new SignInError(answer.message ?? "The user pool refuses this sign-in.");
    }
    if (!response.ok) throw new Error(`The user pool answered ${response.status}.`);
    return answer;
  }

  #keep({ AccessToken: access, RefreshToken: refresh }) {
    this.#session = { pool: this.pool, access, refresh };
    sessionStorage.setItem(KEPT, JSON.stringify(this.#session));
  }
}

/** Reads the claims of a token, which the server checks. */
function claims(token) {
  const [, payload] = token.split(".");
  return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
}
