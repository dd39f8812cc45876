// The page: signs in by the address (`?user=alice&with=bob`), then hands over to a session. With `api`, `live` and
// `pool` in the address it is the page of a deployment, and people sign in to its user pool.

import { NowOptics } from "/client/index.js";
import { DevelopmentAccount } from "./account.js";
import { openChosen } from "./devices.js";
import { PoolAccount } from "./pool.js";
import { Session } from "./session.js";
import { askForName, askForPassword } from "./sign-in.js";

const find = (id) => document.getElementById(id);

const query = new URLSearchParams(location.search);
const user = query.get("user");
const [api, live, pool] = ["api", "live", "pool"].map((name) => query.get(name) ?? undefined);

find("sign-out").onclick = () => {
  sessionStorage.clear();
  for (const name of ["user", "with"]) query.delete(name);
  location.assign(`./?${query}`);
};
closeOnLeave(find("menu"));

if (pool) startWithPool();
else if (user) start(user, new DevelopmentAccount(user, api), (reason) => askForName(api, reason));
else askForName(api);

function startWithPool() {
  const account = new PoolAccount(pool);
  const ask = (reason) => askForPassword(account, reason);
  if (account.user) start(account.user, account, ask);
  else ask();
}

function start(name, account, onRefused) {
  const client = new NowOptics({ user: name, api, live, token: account.token, openMedia: openChosen });
  client.subscribe(() => {
    if (client.getSnapshot().state === "waiting") account.reconsider?.();
  });
  new Session(client, { onRefused }).start();
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
