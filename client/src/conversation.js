// The messages with one peer: those the server has told, under those that are on their way.

import { Observable } from "./observable.js";

const PAGE = 50;
// Clients say that somebody types at most this often.
const TYPING_INTERVAL = 5_000;

/** @typedef {import("./wire.js").StoredMessage} StoredMessage */

/**
 * @typedef {object} Bubble
 * @property {string} key stays the same from the first bubble on
 * @property {string | null} id `null` until it is sent
 * @property {boolean} isMine
 * @property {"sending" | "sent" | "editing" | "failed"} state
 * @property {Error | null} error why it failed
 *
 * @typedef {Omit<StoredMessage, "id"> & Bubble} Message as the server tells it, and as it is shown
 *
 * @typedef {object} ConversationSnapshot
 * @property {string} peer
 * @property {readonly Message[]} messages the oldest first
 * @property {boolean} isLoaded
 * @property {boolean} hasOlder
 * @property {boolean} isLoadingOlder
 * @property {number} unread
 * @property {string | null} read the id up to which we have read
 * @property {string | null} readByPeer the id up to which the peer has read
 * @property {boolean} isTyping
 * @property {Error | null} error why it could not be listed
 */

/** @extends {Observable<ConversationSnapshot>} */
export class Conversation extends Observable {
  #chat;
  /** @type {Map<string, StoredMessage>} */
  #known = new Map();
  /** The oldest message that is listed, `""` where there is none before; undefined until then. @type {string | undefined} */
  #floor;
  /** @type {string | undefined} */
  #older;
  /** @type {Promise<void> | undefined} */
  #loading;
  /** @type {Promise<void> | undefined} */
  #loadingOlder;
  /** Bubbles of messages that nothing is under way for. @type {WeakMap<StoredMessage, Readonly<Message>>} */
  #bubbles = new WeakMap();
  #typedAt = -Infinity;

  /** @param {import("./chat.js").Chat} chat @param {string} peer @internal */
  constructor(chat, peer) {
    super({
      peer,
      messages: [],
      isLoaded: false,
      hasOlder: false,
      isLoadingOlder: false,
      unread: 0,
      read: null,
      readByPeer: null,
      isTyping: false,
      error: null,
    });
    this.peer = peer;
    this.#chat = chat;
    this._show();
  }

  /** Shows the message at once and sends it; returns its key. @param {string} content @param {{ metadata?: import("./wire.js").Metadata }} [options] */
  send(content, { metadata } = {}) {
    const id = crypto.randomUUID();
    this.#typedAt = -Infinity;
    this.#chat.outbox.add({ id, kind: "send", peer: this.peer, target: id, content, metadata });
    return id;
  }

  /** @param {string} key @param {string} content */
  edit(key, content) {
    const unsent = this.#operations(key).find(({ kind, error }) => kind === "send" && error);
    if (unsent) this.#chat.outbox.retry(unsent, content);
    else this.#change("edit", key, content);
  }

  /** @param {string} key */
  delete(key) {
    if (this.#operations(key).some(({ kind, error }) => kind === "send" && error)) this.discard(key);
    else this.#change("delete", key, "");
  }

  /** Tries again what failed. @param {string} key */
  retry(key) {
    for (const operation of this.#operations(key)) if (operation.error) this.#chat.outbox.retry(operation);
  }

  /** Takes back what failed. @param {string} key */
  discard(key) {
    const operations = this.#operations(key);
    const isUnsent = operations.some(({ kind, error }) => kind === "send" && error);
    for (const operation of operations) if (operation.error || isUnsent) this.#chat.outbox.remove(operation);
  }

  /** Lists the newest messages. @returns {Promise<void>} */
  load() {
    this.#loading ??= this.#list().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Lists the messages before. @returns {Promise<void>} */
  loadOlder() {
    if (!this.#older) return this.#floor === undefined ? this.load() : Promise.resolve();
    this.#loadingOlder ??= this.#listOlder(this.#older).finally(() => (this.#loadingOlder = undefined));
    return this.#loadingOlder;
  }

  /** Everything up to the newest message has been read. */
  markRead() {
    const newest = [...this.#known.keys()].reduce((a, b) => (a > b ? a : b), "");
    this.#chat.conversations._markRead(this.peer, newest);
  }

  /** The user types. */
  typing() {
    if (Date.now() - this.#typedAt < TYPING_INTERVAL) return;
    if (this.#chat.send({ type: "typing", target: this.peer })) this.#typedAt = Date.now();
  }

  // The rest is between the modules of the package.

  /** @internal */
  _subscribed() {
    this._isWatched = true;
    if (this._isDue && this.#chat.isOnline) this.load().catch(this.#chat._again);
  }

  /** Whether it is listed, or should be as soon as that is possible. @internal */
  _isWatched = false;

  /** Whether it is to be listed. @internal */
  get _isDue() {
    return this._isWatched && this.#floor === undefined;
  }

  /** Takes what the server says of a message: the later edit wins, and a delete wins for ever. @param {StoredMessage} message @internal */
  _put(message) {
    const known = this.#known.get(message.id);
    if (this.#chat.deleted.has(message.id) || message.id < (this.#floor ?? "")) return;
    if (!known || (known.updated_at ?? "") <= (message.updated_at ?? "")) this.#known.set(message.id, message);
  }

  /** @param {string} id @internal */
  _delete(id) {
    return this.#known.delete(id);
  }

  /** Shows what is known. @internal */
  _show() {
    const sent = [...this.#known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const arrived = new Set(sent.filter((each) => this.#isMine(each)).map((each) => each.client_id));
    const unsent = this.#chat.outbox.operations.filter(
      ({ kind, peer, id }) => kind === "send" && peer === this.peer && !arrived.has(id),
    );
    const messages = [...sent.map((each) => this.#bubble(each)), ...unsent.map((each) => this.#unsent(each))].filter((it) => it !== null);
    const { unread, read, readByPeer } = this.#chat.conversations._entry(this.peer);
    const before = this.getSnapshot().messages;
    const isSame = before.length === messages.length && before.every((it, index) => it === messages[index]);
    this._set({
      messages: isSame ? before : Object.freeze(messages),
      isLoaded: this.#floor !== undefined,
      hasOlder: this.#older !== undefined,
      isTyping: this.#chat.isTyping(this.peer),
      ...{ unread, read, readByPeer },
    });
  }

  async #list() {
    const before = [...this.#known.keys()];
    try {
      const query = { with: this.peer, limit: PAGE };
      const { answer, older } = await this.#chat.api.request("GET /messages", { query });
      const listed = new Set(answer.map(({ id }) => id));
      this.#older = older;
      this.#floor = older ? answer[0].id : "";
      // A message that is not listed any more was deleted while we were away, or is on an older page.
      for (const id of before) if (!listed.has(id)) this.#known.delete(id);
      for (const id of [...this.#known.keys()]) if (id < (this.#floor ?? "")) this.#known.delete(id);
      answer.forEach((message) => this._put(message));
      this._set({ error: null });
    } catch (error) {
      this._set({ error: /** @type {Error} */ (error) });
      throw error;
    } finally {
      this._show();
    }
  }

  /** @param {string} link */
  async #listOlder(link) {
    this._set({ isLoadingOlder: true });
    try {
      const { answer, older } = await this.#chat.api.request("GET /messages", { link });
      // Listed anew meanwhile.
      if (this.#older !== link) return;
      this.#older = answer.length ? older : undefined;
      this.#floor = this.#older ? answer[0].id : "";
      answer.forEach((message) => this._put(message));
    } finally {
      this._set({ isLoadingOlder: false });
      this._show();
    }
  }

  /** @param {"edit" | "delete"} kind @param {string} key @param {string} content */
  #change(kind, key, content) {
    const sent = this.getSnapshot().messages.find((message) => message.key === key);
    if (!sent) throw new RangeError(`There is no message ${key} in this conversation.`);
    this.#chat.outbox.add({ id: crypto.randomUUID(), kind, peer: this.peer, target: sent.id ?? key, content });
  }

  /** What is under way for a message. @param {string} key @param {string | null} [id] */
  #operations(key, id = this.getSnapshot().messages.find((message) => message.key === key)?.id) {
    return this.#chat.outbox.operations.filter(({ peer, target }) => peer === this.peer && (target === key || target === id));
  }

  /** @param {StoredMessage} message @returns {Message | null} */
  #bubble(message) {
    const isMine = this.#isMine(message);
    const key = isMine ? (message.client_id ?? message.id) : message.id;
    const operations = this.#operations(key, message.id).filter(({ kind }) => kind !== "send");
    /** @type {Message} */
    const bubble = { ...message, key, isMine, state: "sent", error: null };
    if (operations.length) return overlay(bubble, operations);
    if (!this.#bubbles.has(message)) this.#bubbles.set(message, Object.freeze(bubble));
    return /** @type {Message} */ (this.#bubbles.get(message));
  }

  /** @param {import("./outbox.js").Operation} operation @returns {Message | null} */
  #unsent({ id, content, metadata, at, error }) {
    const created_at = new Date(at).toISOString();
    const fields = { key: id, id: null, sender_id: this.#chat.user ?? "", receiver_id: this.peer, content, created_at, updated_at: null };
    const more = { client_id: id, ...(metadata && { metadata }), isMine: true, error };
    const changes = this.#operations(id, null).filter(({ kind }) => kind !== "send");
    return overlay({ ...fields, ...more, state: error ? "failed" : "sending" }, changes);
  }

  /** @param {StoredMessage} message */
  #isMine(message) {
    return message.sender_id === this.#chat.user;
  }
}

/** A message as it will be; none where it is being deleted. @param {Message} message @param {import("./outbox.js").Operation[]} operations @returns {Message | null} */
function overlay(message, operations) {
  for (const { kind, content, error } of operations) {
    if (error) Object.assign(message, { state: "failed", error });
    else if (kind === "delete") return null;
    else if (message.state === "sent") message.state = "editing";
    if (kind === "edit") message.content = content;
  }
  return Object.freeze(message);
}
