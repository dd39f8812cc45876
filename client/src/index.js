// What the package exports; README.md describes it.

export { ApiError, SignInError } from "./errors.js";
