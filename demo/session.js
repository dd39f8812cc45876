// The page of one signed-in user, who keeps up with messages, opens conversations, and is in at most one call.

import { Account } from "./account.js";
import { Api } from "./api.js";
import { Call } from "./call.js";
import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { Events } from "./events.js";
import { Messages } from "./messages.js";
import { notify } from "./notices.js";
import { People } from "./people.js";
import { Stage } from "./stage.js";
import { Trace } from "./trace.js";
import { showAvatar } from "./avatar.js";

const WIDE = matchMedia("(min-width: 75rem)");

const find = (id) => document.getElementById(id);

export class Session {
  #me;
  #peer = null;
  #call = null;
  #api;
  #connection;
  #messages;
  #events;
  /** Whether the open conversation has been listed. */
  #isListed = false;
  /** The ids of sends that got no answer, by what they said: said again, it is the same message. */
  #unanswered = new Map();
  #chat;
  #people;
  #stage = new Stage();

  constructor(me, { onRefused }) {
    const trace = new Trace();
    const record = (entry) => trace.record(entry);
    this.#me = me;
    const account = new Account(me);
    this.#api = new Api(account, record);
    this.#messages = new Messages(me);
    this.#events = new Events(me, this.#api, {
      apply: (events) => this.#apply(events),
      listAgain: () => this.#list(),
    });
    this.#people = new People(me, (peer) => {
      this.#visit(peer);
      this.#chat.focus();
    });
    this.#chat = new Chat(me, {
      send: (content) => this.#attempt(async () => this.#learn(await this.#send(this.#peer, content))),
      edit: ({ id }, content) => this.#attempt(async () => this.#learn(await this.#api.updateMessage(id, content))),
      remove: ({ id }) =>
        this.#attempt(async () => {
          await this.#api.deleteMessage(id);
          this.#forget(id);
        }),
    });
    this.#connection = new Connection(me, account, record);
    this.#connection.addEventListener("state", () => this.#showConnection());
    this.#connection.addEventListener("frame", ({ detail }) => this.#receive(detail));
    this.#connection.addEventListener("refused", ({ detail }) => onRefused(detail));
  }

  start() {
    find("app").hidden = false;
    find("call").onclick = () => this.#placeCall();
    find("back").onclick = () => this.#visit(null);
    find("toggle-trace").onclick = () => showTrace(find("trace").hidden);
    showTrace(WIDE.matches);
    addEventListener("popstate", () => this.#open(peerInAddress()));
    addEventListener("focus", () => this.#render());
    // The peer need not wait for the connection to be missed.
    addEventListener("pagehide", () => this.#call?.hangUp());
    setInterval(() => this.#showConnection(), 1000);
    this.#events.watch(() => {
      if (this.#connection.state === "online") this.#follow();
    });
    this.#open(peerInAddress());
    this.#connection.open();
  }

  /** As a link would: the address says who is talked to, and the back button works. */
  #visit(peer) {
    const query = new URLSearchParams(peer === null ? { user: this.#me } : { user: this.#me, with: peer });
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

  async #send(peer, content) {
    const said = JSON.stringify([peer, content]);
    const id = this.#unanswered.get(said) ?? crypto.randomUUID();
    this.#unanswered.delete(said);
    try {
      return await this.#api.createMessage(this.#me, peer, content, id);
    } catch (error) {
      if (error.isOpen) this.#unanswered.set(said, id);
      throw error;
    }
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

  #forget(id) {
    this.#messages.delete(id);
    this.#render();
  }

  #render() {
    if (this.#peer !== null) this.#chat.show(this.#messages.between(this.#peer));
    if (this.#peer !== null && document.hasFocus()) this.#people.read(this.#peer);
    this.#people.show(this.#messages.conversations(), this.#peer, this.#messages.areListed);
    const unread = this.#people.unread;
    const ringing = this.#call?.state === "ringing" ? `${this.#call.peer} is calling – ` : "";
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
        return this.#answerCall(frame);
      case "answer":
      case "candidate":
      case "end_call":
        if (this.#call?.owns(frame)) this.#call.receive(frame);
        return;
      case "error":
        if (this.#call?.owns(frame)) this.#call.receive(frame);
        // A candidate or end that was refused needs no notice: its call is over. Nor does an offer that crossed theirs.
        else if (frame.code !== "glare" && !["candidate", "end_call"].includes(frame.request_type)) notify(frame.error);
        return;
      case undefined:
        notify(`The server says: ${frame.message}`);
    }
  }

  #placeCall() {
    this.#begin(this.#peer).start();
  }

  #answerCall(frame) {
    const peer = frame.sender;
    const current = this.#call;
    if (current?.peer === peer && current.state === "calling") return current.meet(frame);
    if (current?.owns(frame)) return current.receive(frame);
    if (current?.outlives(frame)) return;
    if (current && current.peer !== peer) {
      return this.#signal({ type: "end_call", target: peer, call_id: frame.call_id, reason: "busy" });
    }
    // They start anew, after a reload perhaps: the call before is over.
    current?.receive({ type: "end_call" });
    this.#begin(peer, frame);
  }

  #begin(peer, offer) {
    const call = new Call({
      me: this.#me,
      peer,
      offer,
      send: (frame) => this.#signal(frame),
    });
    this.#call = call;
    call.addEventListener("change", () => this.#watch(call));
    this.#stage.show(call);
    this.#watch(call);
    return call;
  }

  #watch(call) {
    if (this.#call !== call) return;
    if (call.state === "connecting" && this.#peer !== call.peer) this.#visit(call.peer);
    if (call.state === "ended") {
      this.#call = null;
      notify(farewell(call));
    }
    this.#showConnection();
    this.#render();
  }

  #signal(frame) {
    this.#connection.send({ ...frame, userKey: this.#me });
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
    find("call").disabled = state !== "online" || this.#call !== null || this.#peer === this.#me;
  }
}

function farewell({ peer, reason, endedByPeer, notice }) {
  if (reason === "failed") return `The call failed. ${notice}`;
  if (!endedByPeer) return reason === "timeout" ? `${peer} did not answer.` : "";
  const words = {
    busy: `${peer} is in another call.`,
    cancelled: `You missed a call from ${peer}.`,
    declined: `${peer} declined the call.`,
    timeout: `You missed a call from ${peer}.`,
    unavailable: `${peer} is not connected right now.`,
  };
  return words[reason] ?? `${peer} ended the call.`;
}

function peerInAddress() {
  return new URLSearchParams(location.search).get("with") || null;
}

function showTrace(shown) {
  find("trace").hidden = !shown;
  find("toggle-trace").ariaExpanded = String(shown);
}
