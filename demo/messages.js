// The user's messages as far as they are known, in whatever order frames and answers came.

export class Messages {
  #user;
  #known = new Map();
  #deleted = new Set();
  #hidden = new Set();

  /** False until everything has been listed once. */
  areListed = false;

  constructor(user) {
    this.#user = user;
  }

  /** Of one message the later edit wins, and a delete wins for ever. */
  put(message) {
    const known = this.#known.get(message.id);
    if (this.#deleted.has(message.id) || (known && version(known) > version(message))) return;
    this.#known.set(message.id, message);
  }

  /** Whether a message was known before, if only as deleted. */
  knows(id) {
    return this.#known.has(id) || this.#deleted.has(id);
  }

  /** Keeps a message from being shown, for as long as its deletion can be undone. */
  hide(id, isHidden) {
    if (isHidden) this.#hidden.add(id);
    else this.#hidden.delete(id);
  }

  delete(id) {
    this.#deleted.add(id);
    this.#known.delete(id);
  }

  /** Takes what `fetch` lists; what was known before and is not listed was deleted while we were away. */
  async refresh(fetch, peer) {
    const before = [...this.#known.values()];
    const { messages, complete } = await fetch();
    const listed = new Set(messages.map(({ id }) => id));
    const oldest = complete ? "" : messages[0].id;
    for (const message of before) {
      const covered = message.id >= oldest && (peer === undefined || this.peerOf(message) === peer);
      if (covered && !listed.has(message.id)) this.#known.delete(message.id);
    }
    messages.forEach((message) => this.put(message));
    if (peer === undefined) this.areListed = true;
  }

  /** Oldest first: ids are UUIDv7, so their order is that of creation. */
  between(peer) {
    return this.#sorted()
      .filter((message) => this.peerOf(message) === peer)
      .map((message) => ({
        ...message,
        key: message.client_id ?? message.id,
        isMine: message.sender_id === this.#user,
        state: "sent",
      }));
  }

  /** The last message with each peer, newest conversation first. */
  conversations() {
    const last = new Map();
    for (const message of this.#sorted().reverse()) {
      const peer = this.peerOf(message);
      if (!last.has(peer)) last.set(peer, message);
    }
    return last;
  }

  peerOf(message) {
    return message.sender_id === this.#user ? message.receiver_id : message.sender_id;
  }

  #sorted() {
    const shown = [...this.#known.values()].filter(({ id }) => !this.#hidden.has(id));
    return shown.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

/** RFC 3339 in UTC with milliseconds sorts as text. */
function version(message) {
  return message.updated_at ?? message.created_at;
}
