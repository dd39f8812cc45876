// Immutable snapshots that can be watched, and named events.

/** @typedef {() => void} Stop */

/** @param {Iterable<(detail: any) => void>} listeners @param {any} [detail] */
function tell(listeners, detail) {
  for (const listener of [...listeners]) {
    try {
      listener(detail);
    } catch (error) {
      // A listener's mistake is its own, and must not stop what the client was doing.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/**
 * Something whose snapshot can be watched. Both functions can be handed around as they are.
 * @template S
 */
export class Observable {
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #snapshot;

  /** @param {S} snapshot the first one @internal */
  constructor(snapshot) {
    this.#snapshot = Object.freeze(snapshot);
  }

  /** Calls `listener` after each change, until the function that is returned is called. @param {() => void} listener @returns {Stop} */
  subscribe = (listener) => {
    const entry = () => listener();
    this.#listeners.add(entry);
    this._subscribed();
    return () => void this.#listeners.delete(entry);
  };

  /** The present state, the same object until something changes. @returns {Readonly<S>} */
  getSnapshot = () => this.#snapshot;

  /** @internal */
  _subscribed() {}

  /** @param {Partial<S>} fields @internal */
  _set(fields) {
    const before = /** @type {any} */ (this.#snapshot);
    if (Object.entries(fields).every(([name, value]) => Object.is(before[name], value))) return;
    this.#snapshot = Object.freeze({ ...before, ...fields });
    tell(this.#listeners);
  }
}

/** Named events. */
export class Emitter {
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /** @param {string} name @param {(detail: any) => void} listener @returns {Stop} */
  on(name, listener) {
    /** @param {any} detail */
    const entry = (detail) => listener(detail);
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name)?.add(entry);
    return () => void this.#listeners.get(name)?.delete(entry);
  }

  /** @param {string} name @param {any} detail */
  emit(name, detail) {
    tell(this.#listeners.get(name) ?? [], detail);
  }
}
