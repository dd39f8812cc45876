// The page: signs in by the address (`?user=alice&with=bob`), then joins the parts of a session.

import { Session } from "./session.js";

const find = (id) => document.getElementById(id);

const user = new URLSearchParams(location.search).get("user");

// Signing in and out are plain navigations, so that nothing of another user can be left over.
find("sign-in-form").onsubmit = (event) => {
  event.preventDefault();
  const query = new URLSearchParams(location.search);
  query.set("user", find("name").value);
  location.search = query;
};
find("sign-out").onclick = () => {
  sessionStorage.clear();
  location.assign("./");
};

find("toggle-trace").onclick = () => {
  find("trace").hidden = !find("trace").hidden;
  find("toggle-trace").ariaExpanded = String(!find("trace").hidden);
};
closeOnLeave(find("menu"));

if (user) new Session(user, { onRefused: askForName }).start();
else askForName();

async function askForName(error = "") {
  find("app").hidden = true;
  find("sign-in").hidden = false;
  find("name").value = user ?? "";
  find("sign-in-error").textContent = error;
  find("name").focus();
  const { status } = await fetch("/messages?user=-&limit=1");
  find("sign-in-hint").textContent =
    status === 401
      ? "No password is asked for: this server's development issuer gives a token to everyone, under any name."
      : "No password is asked for: a local server takes everyone's word for who they are.";
}

/** A menu closes when something in it or elsewhere is chosen, and on Escape. */
function closeOnLeave(menu) {
  addEventListener("click", (event) => {
    if (!event.target.closest("summary") || !menu.contains(event.target)) menu.open = false;
  });
  menu.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  };
}
