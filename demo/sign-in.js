// The form that asks who one is: a name alone, or a name and a password of a deployment's user pool.

import { STRANGER, wayToSignIn } from "./account.js";

const HINTS = {
  word: "No password is asked for: a local server takes everyone's word for who they are.",
  issuer: "No password is asked for: this server's development issuer gives a token to everyone, under any name.",
  others: `${STRANGER} That of a deployment needs its user pool in the address, as its documents say.`,
};

const find = (id) => document.getElementById(id);

/** Shows the form, with why it is shown where there is a reason. */
export async function askForName(api, reason = "") {
  const query = new URLSearchParams(location.search);
  show(reason);
  find("name").value = query.get("user") ?? "";
  // Signing in and out are plain navigations, so that nothing of another user can be left over.
  find("sign-in-form").onsubmit = (event) => {
    event.preventDefault();
    query.set("user", find("name").value);
    location.search = query;
  };
  find("sign-in-hint").textContent = HINTS[await wayToSignIn(api)] ?? "The server cannot be reached.";
}

/** Shows the form with a password; the page starts again once the user pool has let the person in. */
export function askForPassword(account, reason = "") {
  show(reason);
  find("name-label").textContent = "Email address";
  find("side-by-side").hidden = true;
  showPasswordOf(account);
  find("sign-in-form").onsubmit = async (event) => {
    event.preventDefault();
    find("sign-in-error").textContent = "";
    try {
      if (account.wantsNewPassword) await account.choosePassword(find("new-password").value);
      else await account.signIn(find("name").value, find("password").value);
    } catch (error) {
      find("sign-in-error").textContent = error.message;
    }
    if (account.user !== undefined) location.reload();
    else showPasswordOf(account);
  };
}

/** The field for the password, or for a new one where the user pool wants one. */
function showPasswordOf({ wantsNewPassword: isNew }) {
  const wasNew = !find("new-password-field").hidden;
  find("name").readOnly = isNew;
  for (const [name, isShown] of [["password", !isNew], ["new-password", isNew]]) {
    find(`${name}-field`).hidden = !isShown;
    find(name).required = isShown;
  }
  find("sign-in-hint").textContent = isNew
    ? "The password that you were given is good for one sign-in. Choose one of your own."
    : "You sign in to the user pool of this deployment.";
  if (isNew !== wasNew) find(isNew ? "new-password" : "password").focus();
}

function show(reason) {
  find("app").hidden = true;
  find("sign-in").hidden = false;
  find("sign-in-error").textContent = reason;
  find("name").focus();
}
