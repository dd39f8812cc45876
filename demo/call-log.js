// The calls that this browser saw, so that a missed one leaves a trace in its conversation.

const MOST = 100;

export class CallLog {
  #key;
  #calls;

  constructor(user) {
    this.#key = `calls ${user}`;
    this.#calls = read(this.#key);
  }

  /** `text` says how a call with the peer ended; `missed`, whether it rang here for nobody. */
  add(peer, text, missed) {
    // Another tab of this user may have added some.
    this.#calls = [...read(this.#key), { peer, text, missed, at: Date.now() }].slice(-MOST);
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#calls));
    } catch {
      // A full or forbidden storage costs the trace its life after a reload, nothing else.
    }
  }

  /** Oldest first. */
  with(peer) {
    return this.#calls.filter((call) => call.peer === peer);
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}
