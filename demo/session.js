// The page of one signed-in user: joins the client package with the views.

import { CallDesk } from "./desk.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { notify } from "./notices.js";
import { offerDevices } from "./devices.js";
import { People } from "./people.js";
import { Trace } from "./trace.js";
import { Undoing } from "./undoing.js";
import { showAvatar } from "./avatar.js";

const find = (id) => document.getElementById(id);

export class Session {
  #client;
  #peer = null;
  /** The conversation that is open, and what ends watching it. */
  #conversation = null;
  #unwatch = () => {};
  #chat;
  #composer;
  #people;
  #desk;
  /** Why there is no connection, as told to the person. */
  #reported = null;
  #undoing = new Undoing(() => this.#render());

  /** `onRefused` is given the sentence with which the server refuses this user. */
  constructor(client, { onRefused }) {
    this.#client = client;
    new Trace(client);
    this.#people = new People((peer) => this.#choose(peer));
    this.#composer = new Composer(client.user, {
      send: (content) => this.#send(content),
      typing: () => this.#conversation.typing(),
    });
    this.#chat = new Chat(
      {
        edit: ({ key }, content) => this.#conversation.edit(key, content),
        remove: (message) => this.#remove(message),
        retry: ({ key }) => this.#conversation.retry(key),
        discard: ({ key }) => this.#conversation.discard(key),
        done: () => this.#composer.focus(),
      },
      () => this.#loadOlder(),
    );
    this.#desk = new CallDesk(client, {
      changed: (call) => this.#watch(call),
      logged: () => this.#render(),
      focusLost: () => this.#focus(),
    });
    client.subscribe(() => this.#showConnection(onRefused));
    client.conversations.subscribe(() => this.#render());
    client.on("error", (error) => notify(error.message));
  }

  start() {
    find("app").hidden = false;
    find("call").onclick = () => this.#desk.place(this.#peer, true);
    find("call-audio").onclick = () => this.#desk.place(this.#peer, false);
    find("to-call").onclick = () => this.#choose(this.#desk.call.peer);
    find("back").onclick = () => this.#visit(null);
    offerDevices((kind, id) => this.#desk.useDevice(kind, id));
    addEventListener("popstate", () => this.#open(peerInAddress()));
    for (const event of ["focus", "visibilitychange"]) addEventListener(event, () => this.#render());
    setInterval(() => this.#showConnection(), 1000);
    this.#open(peerInAddress());
    this.#focus();
    this.#client.connect();
  }

  #choose(peer) {
    this.#visit(peer);
    this.#focus();
  }

  /** On what the person will want next. */
  #focus() {
    if (this.#peer === null) find("peer").focus();
    else this.#composer.focus();
  }

  /** As a link would: the address says who is talked to, and the back button works. */
  #visit(peer) {
    history.pushState(null, "", addressWith(peer));
    this.#open(peer);
  }

  #open(peer) {
    this.#peer = peer;
    this.#unwatch();
    this.#unwatch = () => {};
    this.#conversation = null;
    find("app").dataset.pane = peer === null ? "people" : "talk";
    find("empty").hidden = peer !== null;
    find("conversation").hidden = peer === null;
    this.#offerSecondUser(peer);
    if (peer !== null) {
      find("peer-name").textContent = peer;
      showAvatar(find("peer-avatar"), peer);
      this.#chat.clear(peer);
      this.#composer.open(peer);
      this.#conversation = this.#client.conversation(peer);
      this.#unwatch = this.#conversation.subscribe(() => this.#render());
    }
    this.#showConnection();
    this.#render();
  }

  #offerSecondUser(peer) {
    const { user } = this.#client;
    const second = peer !== null && peer !== user ? peer : user === "bob" ? "alice" : "bob";
    const query = new URLSearchParams(location.search);
    query.set("user", second);
    query.set("with", user);
    find("second-user").href = find("second-user-hint").querySelector("a").href = `?${query}`;
    // A user pool takes no name without its password.
    find("second-user").hidden = find("second-user-hint").hidden = query.has("pool");
  }

  #send(content) {
    this.#conversation.send(content);
    if (this.#client.getSnapshot().state !== "online") {
      notify("The server cannot be reached. The message is sent as soon as it can be.");
    }
  }

  #remove({ key }) {
    const conversation = this.#conversation;
    this.#composer.focus();
    this.#undoing.offer(key, "Message deleted.", () => conversation.delete(key));
  }

  async #loadOlder() {
    const { hasOlder, isLoadingOlder } = this.#conversation?.getSnapshot() ?? {};
    if (!hasOlder || isLoadingOlder) return;
    await this.#conversation.loadOlder().catch((error) => notify(error.message));
  }

  #render() {
    if (this.#conversation) {
      const { messages, readByPeer, isLoaded, isTyping, unread } = this.#conversation.getSnapshot();
      const shown = messages.filter((message) => !this.#undoing.hides(message));
      this.#chat.show(shown, this.#desk.log.with(this.#peer), readByPeer, isLoaded);
      if (isLoaded && unread > 0 && this.#chat.showsEnd) this.#conversation.markRead();
      const typing = isTyping ? `${this.#peer} is typing…` : "";
      if (find("typing").textContent !== typing) find("typing").textContent = typing;
    }
    const { conversations, isLoaded, unread } = this.#client.conversations.getSnapshot();
    this.#people.show(conversations, this.#peer, isLoaded, this.#client.user);
    const { call } = this.#desk;
    const ringing = call?.getSnapshot().state === "ringing" ? `${call.peer} is calling – ` : "";
    document.title = `${unread ? `(${unread}) ` : ""}${ringing}${this.#client.user} – NowOptics`;
  }

  #watch(call) {
    if (call.getSnapshot().state === "connecting" && this.#peer !== call.peer) this.#visit(call.peer);
    this.#showConnection();
    this.#render();
  }

  #showConnection(onRefused) {
    const { state, retryAt, error } = this.#client.getSnapshot();
    if (state === "refused") return onRefused?.(error.message);
    // What the server answers says more than that it cannot be reached.
    if (error?.status && error !== this.#reported) notify(error.message);
    this.#reported = error;
    find("connection").title = error?.message ?? "";
    const wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const text = { online: this.#client.user, connecting: "Connecting…", waiting: `Offline, next try in ${wait} s` };
    find("connection").dataset.state = state;
    if (find("connection").textContent !== text[state]) find("connection").textContent = text[state] ?? "";
    const { call } = this.#desk;
    const cannotCall = state !== "online" || call !== null || this.#peer === this.#client.user;
    find("call").disabled = find("call-audio").disabled = cannotCall;
    find("to-call").hidden = call === null || call.peer === this.#peer;
  }
}

function addressWith(peer) {
  const query = new URLSearchParams(location.search);
  query.delete("with");
  if (peer !== null) query.set("with", peer);
  return `?${query}`;
}

function peerInAddress() {
  return new URLSearchParams(location.search).get("with") || null;
}
