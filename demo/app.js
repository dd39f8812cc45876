// The page: signs in by the address (`?user=alice&with=bob`), then joins the parts of a session.

import { Session } from "./session.js";

const find = (id) => document.getElementById(id);

const user = new URLSearchParams(location.search).get("user");

// Signing in and out are plain navigations, so that nothing of another user can be left over.
find("sign-in-form").onsubmit = (event) => {
  event.preventDefault();
  location.search = new URLSearchParams({ user: find("name").value });
};
find("sign-out").onclick = () => location.assign("./");

if (user) new Session(user, { onRefused: askForName }).start();
else askForName();

function askForName(error = "") {
  find("app").hidden = true;
  find("sign-in").hidden = false;
  find("name").value = user ?? "";
  find("sign-in-error").textContent = error;
  find("name").focus();
}
