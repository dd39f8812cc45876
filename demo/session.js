// The page of one signed-in user, who keeps up with messages, opens conversations, and is in at most one call.

import { Account } from "./account.js";
import { Api } from "./api.js";
import { CallDesk } from "./desk.js";
import { CallLog } from "./call-log.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Events } from "./events.js";
import { Messages } from "./messages.js";
import { notify } from "./notices.js";
import { offerDevices } from "./devices.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Trace } from "./trace.js";
import { showAvatar } from "./avatar.js";

const find = (id) => document.getElementById(id);

export class Session {
  #me;
  #peer = null;
  #api;
  #connection;
  #messages;
  #outbox;
  #events;
  /** Whether the open conversation has been listed. */
  #isListed = false;
  #chat;
  #composer;
  #people;
  #calls;
  #desk;

  constructor(me, { onRefused }) {
    const trace = new Trace();
    const record = (entry) => trace.record(entry);
    this.#me = me;
    this.#calls = new CallLog(me);
    const account = new Account(me);
    this.#api = new Api(account, record);
    this.#messages = new Messages(me);
    this.#outbox = new Outbox(me, this.#api, {
      changed: () => this.#render(),
      sent: (message) => this.#learn(message),
      failed: (message, error) => {
        notify(error.message);
        return this.#composer.giveBack(message.receiver_id, message.content);
      },
    });
    this.#events = new Events(me, this.#api, {
      apply: (events) => this.#apply(events),
      listAgain: () => this.#list(),
    });
    this.#people = new People(me, (peer) => this.#choose(peer));
    this.#composer = new Composer(me, { send: (content) => this.#outbox.send(this.#peer, content), typing() {} });
    this.#chat = new Chat(
      {
        edit: ({ id }, content) => this.#attempt(async () => this.#learn(await this.#api.updateMessage(id, content))),
        remove: (message) => this.#remove(message),
        retry: ({ key }) => this.#outbox.retry(key),
        discard: ({ key }) => this.#outbox.discard(key),
        done: () => this.#composer.focus(),
      },
      () => {},
    );
    this.#desk = new CallDesk(me, {
      send: (frame) => this.#connection.send({ ...frame, userKey: me }),
      log: this.#calls,
      changed: (call) => this.#watch(call),
      focusLost: () => this.#focus(),
    });
    this.#connection = new Connection(me, account, record);
    this.#connection.addEventListener("state", () => this.#showConnection());
    this.#connection.addEventListener("frame", ({ detail }) => this.#receive(detail));
    this.#connection.addEventListener("refused", ({ detail }) => onRefused(detail));
  }

  start() {
    find("app").hidden = false;
    find("call").onclick = () => this.#desk.place(this.#peer, true);
    find("call-audio").onclick = () => this.#desk.place(this.#peer, false);
    find("to-call").onclick = () => this.#choose(this.#desk.call.peer);
    find("back").onclick = () => this.#visit(null);
    offerDevices((kind, id) => this.#desk.useDevice(kind, id));
    addEventListener("popstate", () => this.#open(peerInAddress()));
    addEventListener("focus", () => this.#render());
    // The peer need not wait for the connection to be missed.
    addEventListener("pagehide", () => this.#desk.call?.hangUp());
    setInterval(() => this.#showConnection(), 1000);
    this.#events.watch(() => {
      if (this.#connection.state === "online") this.#follow();
    });
    this.#open(peerInAddress());
    this.#focus();
    this.#connection.open();
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
    const query = new URLSearchParams(location.search);
    query.delete("with");
    if (peer !== null) query.set("with", peer);
    history.pushState(null, "", `?${query}`);
    this.#open(peer);
  }

  #open(peer) {
    this.#peer = peer;
    find("app").dataset.pane = peer === null ? "people" : "talk";
    find("empty").hidden = peer !== null;
    find("conversation").hidden = peer === null;
    const second = peer !== null && peer !== this.#me ? peer : this.#me === "bob" ? "alice" : "bob";
    for (const link of [find("second-user"), find("second-user-hint")]) {
      link.href = `?${new URLSearchParams({ user: second, with: this.#me })}`;
    }
    if (peer !== null) {
      find("peer-name").textContent = peer;
      showAvatar(find("peer-avatar"), peer);
      this.#chat.clear(peer);
      this.#composer.open(peer);
      this.#isListed = false;
      if (this.#connection.state === "online") this.#attempt(() => this.#refresh(peer));
    }
    this.#showConnection();
    this.#render();
  }

  /** Reads what happened; lists the conversation where it was opened without a connection. */
  #follow() {
    return this.#attempt(async () => {
      await this.#events.follow();
      if (this.#peer !== null && !this.#isListed) await this.#refresh(this.#peer);
    });
  }

  async #list() {
    await this.#refresh();
    if (this.#peer !== null) await this.#refresh(this.#peer);
  }

  async #refresh(peer) {
    await this.#messages.refresh(() => this.#api.listMessages(this.#me, peer), peer);
    if (peer === this.#peer) this.#isListed = true;
    this.#render();
  }

  /** Hides a message at once, and deletes it once it is too late to think better of it. */
  #remove({ id }) {
    const take = () =>
      this.#attempt(async () => {
        await this.#api.deleteMessage(id);
        this.#messages.delete(id);
      }).then(back);
    const back = () => {
      removeEventListener("pagehide", take);
      this.#messages.hide(id, false);
      this.#render();
    };
    addEventListener("pagehide", take, { once: true });
    this.#messages.hide(id, true);
    this.#render();
    this.#composer.focus();
    notify("Message deleted.", { action: { label: "Undo", run: back }, gone: take, shownFor: 4_000 });
  }

  #apply(events) {
    for (const { type, data } of events) {
      if (type === "delete_message") {
        this.#messages.delete(data.id);
        continue;
      }
      const isNew = type === "new_message" && !this.#messages.knows(data.id);
      if (isNew && data.sender_id !== this.#me) this.#people.count(data.sender_id);
      this.#messages.put(data);
    }
    this.#render();
  }

  #learn(message) {
    this.#messages.put(message);
    this.#render();
  }

  #render() {
    if (this.#peer !== null) {
      const known = this.#messages.between(this.#peer);
      const messages = [...known, ...this.#outbox.to(this.#peer, known)];
      this.#chat.show(messages, this.#calls.with(this.#peer), null, this.#isListed);
      if (this.#chat.showsEnd) this.#people.read(this.#peer);
    }
    this.#people.show(this.#messages.conversations(), this.#peer, this.#messages.areListed);
    const unread = this.#people.unread;
    const call = this.#desk.call;
    const ringing = call?.state === "ringing" ? `${call.peer} is calling – ` : "";
    document.title = `${unread ? `(${unread}) ` : ""}${ringing}${this.#me} – NowOptics`;
  }

  #receive(frame) {
    switch (frame.type) {
      case "registered":
        // Whatever happened while we were away.
        this.#follow();
        return;
      case "new_message":
      case "update_message":
      case "delete_message":
        return this.#events.receive(frame);
      case "offer":
      case "answer":
      case "candidate":
      case "end_call":
        return void this.#desk.receive(frame);
      case "error":
        if (this.#desk.receive(frame)) return;
        // A candidate or end that was refused needs no notice: its call is over. Nor does an offer that crossed theirs.
        if (frame.code !== "glare" && !["candidate", "end_call"].includes(frame.request_type)) notify(frame.error);
        return;
      case undefined:
        notify(`The server says: ${frame.message}`);
    }
  }

  #watch(call) {
    if (call.state === "connecting" && this.#peer !== call.peer) this.#visit(call.peer);
    this.#showConnection();
    this.#render();
  }

  /** Whether it worked; if not, the person is told why. */
  async #attempt(action) {
    try {
      await action();
      return true;
    } catch (error) {
      notify(error.message);
      return false;
    }
  }

  #showConnection() {
    const { state, retryAt } = this.#connection;
    const wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const text = { online: this.#me, connecting: "Connecting…", waiting: `Offline, next try in ${wait} s`, closed: "" };
    find("connection").dataset.state = state;
    if (find("connection").textContent !== text[state]) find("connection").textContent = text[state];
    const call = this.#desk.call;
    find("call").disabled = find("call-audio").disabled = state !== "online" || call !== null || this.#peer === this.#me;
    find("to-call").hidden = call === null || call.peer === this.#peer;
  }
}

function peerInAddress() {
  return new URLSearchParams(location.search).get("with") || null;
}
