// Messages, edits and deletes that the server has not answered yet. They are repeated until there is an answer, in order
// for each peer, also after a reload.

import { pauseAfter } from "./backoff.js";
import { isTemporary } from "./errors.js";

// So long a repeated send is known for the same one.
const KEPT = 24 * 3_600_000;

/**
 * @typedef {object} Operation
 * @property {string} id of a send, its `client_id`
 * @property {"send" | "edit" | "delete"} kind
 * @property {string} peer
 * @property {string} target the message's id, or the `client_id` of one that is being sent
 * @property {string} content
 * @property {import("./wire.js").Metadata} [metadata]
 * @property {number} at milliseconds since 1970
 * @property {Error | null} error why it failed for good
 */

export class Outbox {
  /** @type {Operation[]} */
  operations = [];
  #perform;
  #changed;
  /** @type {Storage | null} */
  #storage;
  #prefix = "";
  #isOpen = false;
  /** Peers whose operations are being carried out. */
  #busy = new Set();
  /** Ends the pauses before the next attempts. @type {Set<() => void>} */
  #wake = new Set();

  /**
   * @param {Storage | null} storage
   * @param {(operation: Operation) => Promise<void>} perform
   * @param {(peer: string) => void} changed
   */
  constructor(storage, perform, changed) {
    this.#storage = storage;
    this.#perform = perform;
    this.#changed = changed;
  }

  /** Begins with what was left over. @param {string} prefix of the keys in the storage */
  open(prefix) {
    this.#isOpen = true;
    if (this.#prefix !== prefix) this.#load(prefix);
    for (const peer of new Set(this.operations.map(({ peer }) => peer))) this.#run(peer);
    this.wake();
  }

  close() {
    this.#isOpen = false;
    this.wake();
  }

  /** Tries at once what waits. */
  wake() {
    for (const wake of [...this.#wake]) wake();
  }

  /** @param {Omit<Operation, "at" | "error">} fields */
  add(fields) {
    const operation = { ...fields, at: Date.now(), error: null };
    this.operations.push(operation);
    this.save(operation);
    this.#changed(operation.peer);
    this.#run(operation.peer);
  }

  /** Carries out anew what failed. @param {Operation} operation @param {string} [content] */
  retry(operation, content = operation.content) {
    Object.assign(operation, { content, error: null, at: Date.now() });
    this.save(operation);
    this.#changed(operation.peer);
    this.#run(operation.peer);
  }

  /** @param {Operation} operation */
  remove(operation) {
    this.operations = this.operations.filter((each) => each !== operation);
    this.#store((storage) => storage.removeItem(this.#prefix + operation.id));
    this.#changed(operation.peer);
  }

  /** @param {Operation} operation */
  save(operation) {
    const { error, ...fields } = operation;
    this.#store((storage) => storage.setItem(this.#prefix + operation.id, JSON.stringify({ ...fields, failed: error?.message })));
  }

  /** @param {string} peer */
  async #run(peer) {
    if (!this.#isOpen || this.#busy.has(peer)) return;
    this.#busy.add(peer);
    for (let failures = 0, operation; this.#isOpen && (operation = this.#next(peer)); ) {
      try {
        await this.#perform(operation);
        this.remove(operation);
        failures = 0;
      } catch (error) {
        if (isTemporary(error)) {
          await this.#pause(pauseAfter(failures++, error));
          continue;
        }
        operation.error = /** @type {Error} */ (error);
        this.save(operation);
        this.#changed(peer);
      }
    }
    this.#busy.delete(peer);
  }

  /** @param {string} peer */
  #next(peer) {
    const failed = new Set();
    return this.operations.find((operation) => {
      if (operation.peer !== peer) return false;
      // A change to what could not be sent waits for it.
      const isReady = !operation.error && !failed.has(operation.target);
      if (!isReady) failed.add(operation.target);
      return isReady;
    });
  }

  /** @param {number} time */
  #pause(time) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake.delete(wake);
        resolve(undefined);
      };
      const timer = setTimeout(wake, time);
      this.#wake.add(wake);
    });
  }

  /** @param {string} prefix */
  #load(prefix) {
    this.#prefix = prefix;
    this.operations.forEach((operation) => this.save(operation));
    /** @type {Operation[]} */
    const found = [];
    this.#store((storage) => {
      for (let index = 0; index < storage.length; index++) {
        const key = storage.key(index) ?? "";
        if (!key.startsWith(prefix)) continue;
        const { failed, ...operation } = JSON.parse(storage.getItem(key) ?? "");
        const sentence = Date.now() - operation.at > KEPT ? "It could not be sent for a day." : failed;
        found.push({ ...operation, error: sentence ? new Error(sentence) : null });
      }
    });
    const held = new Set(this.operations.map(({ id }) => id));
    const added = found.filter(({ id }) => !held.has(id)).sort((a, b) => a.at - b.at);
    this.operations = [...added, ...this.operations];
    for (const peer of new Set(added.map((operation) => operation.peer))) this.#changed(peer);
  }

  /** A storage that is full or forbidden does without. @param {(storage: Storage) => void} use */
  #store(use) {
    if (!this.#storage || !this.#prefix) return;
    try {
      use(this.#storage);
    } catch {
      // Entries in memory are repeated all the same.
    }
  }
}
