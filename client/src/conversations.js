// The list of conversations with their marks, the latest first.

import { pauseAfter } from "./backoff.js";
import { isTemporary } from "./errors.js";
import { Observable } from "./observable.js";

const PAGE = 50;
// Several deletes at once need one list.
const REFRESH_DELAY = 300;
const REFRESH_TRIES = 3;

/** @typedef {import("./wire.js").StoredConversation} StoredConversation */

/**
 * @typedef {object} Entry
 * @property {string} peer
 * @property {import("./wire.js").StoredMessage} lastMessage
 * @property {number} unread
 * @property {string | null} read the id up to which we have read
 * @property {string | null} readByPeer
 * @property {boolean} isTyping
 *
 * @typedef {Omit<Entry, "lastMessage"> & { lastMessage: Entry["lastMessage"] | null }} Known without a message it is not shown
 *
 * @typedef {object} ConversationsSnapshot
 * @property {readonly Entry[]} conversations the latest first
 * @property {boolean} isLoaded
 * @property {boolean} hasOlder
 * @property {number} unread the sum
 * @property {Error | null} error why they could not be listed
 */

/** @extends {Observable<ConversationsSnapshot>} */
export class Conversations extends Observable {
  #chat;
  /** @type {Map<string, Known>} */
  #entries = new Map();
  #pages = 1;
  #isLoaded = false;
  /** Whether it could not be listed the last time. @internal */
  _isDue = false;
  /** @type {string | undefined} */
  #older;
  /** Grows with each change that a list under way may lack. */
  #changes = 0;
  /** @type {Promise<void> | undefined} */
  #loading;
  /** @type {any} */
  #refreshing;
  /** Marks that the server has not answered yet, by peer. @type {Map<string, string>} */
  #marks = new Map();

  /** @param {import("./chat.js").Chat} chat @internal */
  constructor(chat) {
    super({ conversations: [], isLoaded: false, hasOlder: false, unread: 0, error: null });
    this.#chat = chat;
  }

  /** Lists as many pages as are shown. @returns {Promise<void>} */
  load() {
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
    this.#loading ??= this.#list().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Lists older ones, too. @returns {Promise<void>} */
  loadOlder() {
    if (!this.#older) return Promise.resolve();
    this.#pages++;
    return this.load();
  }

  // The rest is between the modules of the package.

  /** @param {string} peer @returns {Known} @internal */
  _entry(peer) {
    return this.#entries.get(peer) ?? { peer, lastMessage: null, unread: 0, read: null, readByPeer: null, isTyping: false };
  }

  /** A message as an event tells it. @param {string} peer @param {import("./wire.js").StoredMessage} message @param {boolean} isNew @internal */
  _put(peer, message, isNew) {
    const { lastMessage: last, unread, read } = this._entry(peer);
    const isLater = !last || message.id > last.id;
    if (isLater || (message.id === last.id && (message.updated_at ?? "") >= (last.updated_at ?? ""))) {
      if (isLater && !isNew) return this.#refresh();
      this.#change(peer, { lastMessage: message });
    }
    if (!isNew || message.sender_id !== peer || peer === this.#chat.user || message.id <= (read ?? "")) return;
    // A message that comes late may be counted already.
    if (isLater) this.#change(peer, { unread: unread + 1 });
    else this.#refresh();
  }

  /** @internal */
  _deleted() {
    this.#changes++;
    this.#refresh();
  }

  /** @param {import("./wire.js").Mark} mark @internal */
  _marked({ reader, with: other, message_id: id }) {
    if (reader === this.#chat.user) {
      const { lastMessage, read, unread } = this._entry(other);
      if (id <= (read ?? "")) return;
      this.#change(other, { read: id, unread: id >= (lastMessage?.id ?? "") ? 0 : unread });
      if (this._entry(other).unread) this.#refresh();
    }
    if (other === this.#chat.user && id > (this._entry(reader).readByPeer ?? "")) this.#change(reader, { readByPeer: id });
  }

  /** @param {string} peer @param {string} newest of the messages that are shown @internal */
  async _markRead(peer, newest) {
    const { lastMessage, read, unread } = this._entry(peer);
    const id = [newest, lastMessage?.id ?? ""].reduce((a, b) => (a > b ? a : b));
    if (!id || (id <= (read ?? "") && !unread) || id <= (this.#marks.get(peer) ?? "")) return;
    const isUnderWay = this.#marks.has(peer);
    this.#marks.set(peer, id);
    this.#change(peer, { unread: 0 });
    if (!isUnderWay) await this.#tell(peer);
  }

  /** @internal */
  _show() {
    const typed = [...this.#entries.values()].map((entry) => {
      const isTyping = this.#chat.isTyping(entry.peer);
      const shown = isTyping === entry.isTyping ? entry : Object.freeze({ ...entry, isTyping });
      this.#entries.set(entry.peer, shown);
      return shown;
    });
    const conversations = /** @type {Entry[]} */ (typed.filter(({ lastMessage }) => lastMessage))
      .sort((a, b) => (a.lastMessage.id > b.lastMessage.id ? -1 : 1));
    const before = this.getSnapshot().conversations;
    const isSame = before.length === conversations.length && before.every((it, index) => it === conversations[index]);
    this._set({
      conversations: isSame ? before : Object.freeze(conversations),
      isLoaded: this.#isLoaded,
      hasOlder: this.#older !== undefined,
      unread: conversations.reduce((sum, { unread }) => sum + unread, 0),
    });
  }

  async #list() {
    try {
      for (let tries = 1; ; tries++) {
        const changes = this.#changes;
        const { listed, older } = await this.#listPages();
        if (changes !== this.#changes && tries < REFRESH_TRIES) continue;
        this.#take(listed);
        this.#older = older;
        break;
      }
      this.#isLoaded = true;
      this._isDue = false;
      this._set({ error: null });
    } catch (error) {
      this._isDue = true;
      this._set({ error: /** @type {Error} */ (error) });
      throw error;
    } finally {
      this.#chat.show();
    }
  }

  async #listPages() {
    /** @type {StoredConversation[]} */
    const listed = [];
    /** @type {string | undefined} */
    let older;
    for (let page = 0; page < this.#pages && (page === 0 || older); page++) {
      const listing = this.#chat.api.request("GET /conversations", { query: { limit: PAGE }, link: older });
      /** @type {Awaited<typeof listing>} */
      const { answer, ...rest } = await listing;
      listed.push(...answer);
      older = rest.older;
    }
    return { listed, older };
  }

  /** @param {StoredConversation[]} listed */
  #take(listed) {
    this.#entries = new Map();
    for (const { with: peer, last_message: lastMessage, unread, read, read_by_peer: readByPeer } of listed) {
      // A mark that is on its way counts.
      const isMarked = (this.#marks.get(peer) ?? "") >= lastMessage.id;
      this.#set(peer, { lastMessage, unread: isMarked ? 0 : unread, read, readByPeer });
    }
  }

  #refresh() {
    this.#refreshing ??= setTimeout(() => this.load().catch(this.#chat._again), REFRESH_DELAY);
  }

  /** Tells the server of the latest mark, until it has answered. @param {string} peer */
  async #tell(peer) {
    for (let failures = 0, told; (told = this.#marks.get(peer)); ) {
      try {
        const { answer } = await this.#chat.api.request("PUT /conversations/{peer}/read", { query: { peer }, body: { message_id: told } });
        if (told !== this.#marks.get(peer)) continue;
        this.#marks.delete(peer);
        const { lastMessage, read } = this._entry(peer);
        // Messages that have come meanwhile count by themselves.
        const isLast = told >= (lastMessage?.id ?? "");
        this.#change(peer, { read: told > (read ?? "") ? told : read, ...(isLast && { unread: answer.unread }) });
      } catch (error) {
        if (!isTemporary(error) || !this.#chat.isOpen) return void this.#marks.delete(peer);
        await new Promise((resolve) => setTimeout(resolve, pauseAfter(failures++, error)));
      }
    }
  }

  /** @param {string} peer @param {Partial<Known>} fields */
  #change(peer, fields) {
    this.#changes++;
    this.#set(peer, fields);
    this.#chat.show(peer);
  }

  /** @param {string} peer @param {Partial<Known>} fields */
  #set(peer, fields) {
    this.#entries.set(peer, Object.freeze({ ...this._entry(peer), ...fields }));
  }
}
