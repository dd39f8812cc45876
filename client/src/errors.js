// The errors that callers of the package meet.

/** A request that failed. */
export class ApiError extends Error {
  name = "ApiError";

  /**
   * @param {string} message the server's sentence
   * @param {object} [details]
   * @param {number} [details.status] of the answer; none where there was no answer
   * @param {string} [details.code] the server's, for example `not_found`
   * @param {number} [details.retryAfter] seconds after which to try again
   * @param {any} [details.answer] the whole answer
   */
  constructor(message, { status, code, retryAfter, answer } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.answer = answer;
  }

  /** Whether trying again may help: there was no answer, or it was not about the request. */
  get isTemporary() {
    return this.status === undefined || this.status === 429 || this.status >= 500;
  }
}

/** Whether trying again may help. An error of another kind is that of the option `token`, which needs the network as well. @param {any} error */
export function isTemporary(error) {
  return error?.isTemporary ?? !(error instanceof SignInError);
}

/** To be thrown by the option `token` where signing in is hopeless: the client then stops trying. */
export class SignInError extends Error {
  name = "SignInError";
}
