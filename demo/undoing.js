// Lets a deletion be undone: the message disappears at once, and is deleted when it is too late to think better of it.

import { notify } from "./notices.js";

const TIME = 4_000;

export class Undoing {
  #changed;
  /** By the key of each hidden message, how its deletion is finished. */
  #pending = new Map();
  #done = new Set();

  /** `changed` is called when what is hidden has changed. */
  constructor(changed) {
    this.#changed = changed;
    addEventListener("pagehide", () => {
      for (const key of [...this.#pending.keys()]) this.#finish(key);
    });
  }

  /** Hides a message and offers to undo that; calls `finish` unless the person does. */
  offer(key, words, finish) {
    this.#pending.set(key, finish);
    this.#done.delete(key);
    const run = () => {
      this.#pending.delete(key);
      this.#changed();
    };
    notify(words, { action: { label: "Undo", run }, gone: () => this.#finish(key), shownFor: TIME });
    this.#changed();
  }

  /** A deletion that the server refused shows again, as failed. */
  hides({ key, state }) {
    return this.#pending.has(key) || (this.#done.has(key) && state !== "failed");
  }

  #finish(key) {
    const finish = this.#pending.get(key);
    this.#pending.delete(key);
    this.#done.add(key);
    finish?.();
  }
}
