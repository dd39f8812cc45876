// What this user sends and the server has not taken yet, in the order it was written.

export class Outbox {
  #me;
  #api;
  #events;
  #pending = new Map();

  /** `failed` says whether the text was given back to the person; otherwise it stays here, to be tried again. */
  constructor(me, api, events) {
    this.#me = me;
    this.#api = api;
    this.#events = events;
  }

  send(peer, content) {
    // The ids of sends that got no answer are kept with what they said: said again, it is the same message.
    const said = JSON.stringify([peer, content]);
    const key = this.#unanswered.get(said) ?? crypto.randomUUID();
    this.#unanswered.delete(said);
    const created_at = new Date().toISOString();
    const message = { key, id: null, client_id: key, sender_id: this.#me, receiver_id: peer, content, created_at };
    this.#pending.set(key, { ...message, updated_at: null, isMine: true, state: "sending" });
    this.#attempt(key);
  }

  retry(key) {
    this.#change(key, "sending");
    this.#attempt(key);
  }

  discard(key) {
    this.#pending.delete(key);
    this.#events.changed();
  }

  /** What waits for a peer, but for messages that are known by now. */
  to(peer, known) {
    const keys = new Set(known.map(({ client_id: key }) => key));
    return [...this.#pending.values()].filter(({ receiver_id: to, key }) => to === peer && !keys.has(key));
  }

  #unanswered = new Map();

  async #attempt(key) {
    this.#events.changed();
    const { receiver_id: peer, content } = this.#pending.get(key);
    try {
      const message = await this.#api.createMessage(this.#me, peer, content, key);
      this.#pending.delete(key);
      this.#events.sent(message);
    } catch (error) {
      if (this.#events.failed(this.#pending.get(key), error)) {
        if (error.isOpen) this.#unanswered.set(JSON.stringify([peer, content]), key);
        this.#pending.delete(key);
      } else this.#change(key, "failed");
      this.#events.changed();
    }
  }

  #change(key, state) {
    this.#pending.set(key, { ...this.#pending.get(key), state });
  }
}
