// Everything a user has to read: conversations, their list, what is on its way, and the events that keep them right.

import { pauseAfter } from "./backoff.js";
import { Conversation } from "./conversation.js";
import { Conversations } from "./conversations.js";
import { isTemporary } from "./errors.js";
import { Events } from "./events.js";
import { Outbox } from "./outbox.js";

// How long somebody types after saying so.
const TYPING_TIME = 8_000;
// By how much a message may overtake what was sent before it.
const OVERTAKEN_TIME = 1_000;
// A connection may have missed a push and not know it.
const FOLLOW_INTERVAL = 5 * 60_000;

/** @typedef {import("./wire.js").StoredMessage} StoredMessage */

/**
 * @typedef {object} ChatOwner
 * @property {import("./api.js").Api} api
 * @property {Storage | null} storage
 * @property {string} place tells the storage of this server from that of others
 * @property {(frame: import("./wire.js").ClientFrame) => boolean} send
 * @property {(name: string, detail: any) => void} emit
 */

export class Chat {
  /** Ids that must not come back. @type {Set<string>} */
  deleted = new Set();
  isOpen = false;
  isOnline = false;
  api;
  send;
  /** @type {Outbox} */
  outbox;
  /** @type {Conversations} */
  conversations;
  #owner;
  /** @type {Map<string, Conversation>} */
  #open = new Map();
  #events;
  /** Messages that were told as new. @type {Set<string>} */
  #seen = new Set();
  /** @type {Map<string, any>} */
  #typing = new Map();
  /** When each last wrote. @type {Map<string, number>} */
  #wrote = new Map();
  #failures = 0;
  /** @type {any} */
  #retry;
  /** @type {any} */
  #interval;

  /** @param {ChatOwner} owner */
  constructor(owner) {
    this.#owner = owner;
    this.api = owner.api;
    this.send = owner.send;
    this.outbox = new Outbox(owner.storage, (operation) => this.#perform(operation), (peer) => this.show(peer));
    this.conversations = new Conversations(this);
    this.#events = new Events(owner.api, (events) => this.#apply(events), () => this.#listAgain());
  }

  get user() {
    return this.api.user;
  }

  /** @param {string} peer */
  conversation(peer) {
    let conversation = this.#open.get(peer);
    if (!conversation) this.#open.set(peer, (conversation = new Conversation(this, peer)));
    return conversation;
  }

  /** Sends what is left over, and follows every few minutes. */
  open() {
    this.isOpen = true;
    clearInterval(this.#interval);
    this.#interval = setInterval(() => this.follow(), FOLLOW_INTERVAL);
    if (this.user !== undefined) this.outbox.open(`nowoptics ${this.#owner.place} ${this.user} `);
  }

  close() {
    this.isOpen = this.isOnline = false;
    clearInterval(this.#interval);
    clearTimeout(this.#retry);
    this.outbox.close();
  }

  /** A connection has registered. @param {string} position of the latest event */
  registered(position) {
    this.isOnline = true;
    this.open();
    const isFirst = !this.conversations.getSnapshot().isLoaded;
    this.follow(position);
    // Marks are no events. The first time, following lists as well.
    if (!isFirst) this.conversations.load().catch(this._again);
  }

  /** Reads what may have been missed, until it could. @param {string} [position] */
  async follow(position) {
    if (!this.isOnline) return;
    clearTimeout(this.#retry);
    try {
      await this.#events.follow(position);
      const due = [...this.#open.values(), this.conversations].filter((each) => each._isDue);
      const outcomes = await Promise.all(due.map((each) => each.load().catch((error) => ({ error }))));
      const lost = outcomes.find((outcome) => outcome && isTemporary(outcome.error));
      if (lost) throw lost.error;
      this.#failures = 0;
    } catch (error) {
      this.#later(error, position);
    }
  }

  /** Lists what could not be listed, where trying again may help. @param {unknown} error @internal */
  _again = (error) => {
    if (this.isOnline && isTemporary(error)) this.#later(error);
  };

  /** @param {unknown} error @param {string} [position] */
  #later(error, position) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.follow(position), pauseAfter(this.#failures++, error));
  }

  /** Takes a frame of the chat; whether it was one. @param {import("./wire.js").ServerFrame} frame */
  receive(frame) {
    if (frame.type === "new_message" || frame.type === "update_message" || frame.type === "delete_message") {
      this.#events.receive(frame);
      if (this.#events.isAtStart) this.follow();
    } else if (frame.type === "read") this.conversations._marked(frame.data);
    else if (frame.type === "typing") {
      // One that the message overtook says nothing any more.
      if (Date.now() - (this.#wrote.get(frame.sender) ?? 0) > OVERTAKEN_TIME) this.#types(frame.sender, TYPING_TIME);
    }
    else return false;
    return true;
  }

  /** @param {string} peer */
  isTyping(peer) {
    return this.#typing.has(peer);
  }

  /** Shows what has changed. @param {string} [peer] with whom; with anybody, unless given */
  show(peer) {
    for (const each of this.#open.values()) if (peer === undefined || each.peer === peer) each._show();
    this.conversations._show();
  }

  /** @param {import("./events.js").ChatEvent[]} events */
  #apply(events) {
    for (const { type, data } of events) {
      if (type === "delete_message") {
        this.#forget(data.id);
        continue;
      }
      const isNew = type === "new_message" && !this.#seen.has(data.id) && !this.deleted.has(data.id);
      this.#learn(data, isNew);
      if (isNew && data.sender_id !== this.user) this.#owner.emit("message", data);
    }
    if (events.length) this.show();
  }

  /** @param {StoredMessage} message @param {boolean} isNew */
  #learn(message, isNew) {
    if (this.deleted.has(message.id)) return;
    this.#seen.add(message.id);
    const peer = message.sender_id === this.user ? message.receiver_id : message.sender_id;
    this.#open.get(peer)?._put(message);
    this.conversations._put(peer, message, isNew);
    if (isNew && message.sender_id === peer) {
      this.#wrote.set(peer, Date.now());
      this.#types(peer, 0);
    }
  }

  /** @param {string} id */
  #forget(id) {
    if (this.deleted.has(id)) return;
    this.deleted.add(id);
    for (const each of this.#open.values()) each._delete(id);
    this.conversations._deleted();
  }

  async #listAgain() {
    const listed = [...this.#open.values()].filter((each) => each._isWatched || each.getSnapshot().isLoaded);
    await Promise.all([this.conversations.load(), ...listed.map((each) => each.load())]);
  }

  /** @param {string} peer @param {number} time for how long; none ends it */
  #types(peer, time) {
    clearTimeout(this.#typing.get(peer));
    const was = this.#typing.delete(peer);
    if (time) this.#typing.set(peer, setTimeout(() => this.#types(peer, 0), time));
    if (was !== time > 0) this.show(peer);
  }

  /** @param {import("./outbox.js").Operation} operation */
  async #perform({ id, kind, peer, target, content, metadata }) {
    if (kind === "send") {
      const body = { sender_id: this.user, receiver_id: peer, content, client_id: id, metadata };
      const { answer, isReplayed } = await this.api.request("POST /messages", { body });
      const message = answer.data;
      // Changes made meanwhile wait for this id.
      for (const each of this.outbox.operations) {
        if (each.target !== id || each.kind === "send") continue;
        each.target = message.id;
        this.outbox.save(each);
      }
      if (isReplayed) await this.#look(message.id);
      else this.#learn(message, true);
    } else if (kind === "edit") {
      const { answer } = await this.api.request("PUT /messages/{id}", { id: target, body: { content } }).catch((error) => this.#gone(target, error));
      if (answer) this.#learn(answer.data, false);
    } else {
      await this.api.request("DELETE /messages/{id}", { id: target }).catch((error) => this.#gone(target, error));
      this.#forget(target);
    }
  }

  /** The first answer comes again, whatever has become of the message: this is what has. @param {string} id */
  async #look(id) {
    const { answer } = await this.api.request("GET /messages/{id}", { id }).catch((error) => this.#gone(id, error));
    if (answer) this.#learn(answer, true);
  }

  /** @param {string} id @param {any} error @returns {{ answer?: undefined }} */
  #gone(id, error) {
    if (error.status !== 404) throw error;
    this.#forget(id);
    return {};
  }
}
