// The calls that this browser saw, so that a missed one leaves a trace in its conversation.

const MOST = 100;

export class CallLog {
  #key;
  #calls;

  /** `changed` is called when another tab of this user has seen a call. */
  constructor(user, changed) {
    this.#key = `calls ${user}`;
    this.#calls = read(this.#key);
    addEventListener("storage", ({ key }) => {
      if (key !== this.#key) return;
      this.#calls = read(this.#key);
      changed();
    });
  }

  /**
   * `text` says how a call ended; `isMissed`, whether it rang for nobody. Each tab of this user may have seen the call:
   * it is kept once, as the tab tells it that took it (`isTaken`).
   */
  add({ id, peer }, { text, isMissed, isTaken }) {
    const calls = read(this.#key);
    const known = calls.findIndex((call) => call.id === id);
    const call = { id, peer, text, isMissed, at: Date.now() };
    if (known < 0) calls.push(call);
    else if (isTaken) calls[known] = { ...call, at: calls[known].at };
    this.#calls = calls.slice(-MOST);
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
