// Follows a user's events, so that nothing is missed that no connection told. Only what it reads moves its position.

// A connection may have missed a push and not know it.
const INTERVAL = 5 * 60_000;

export class Events {
  #user;
  #api;
  #apply;
  #listAgain;
  #position;
  /** What is not after this event is known already. */
  #floor;
  #turn = Promise.resolve();

  /** `apply` is given events; `listAgain` lists the messages where the log does not go back far enough. */
  constructor(user, api, { apply, listAgain }) {
    this.#user = user;
    this.#api = api;
    this.#apply = apply;
    this.#listAgain = listAgain;
  }

  /** Calls `follow` whenever something may have been missed, but for a new connection. */
  watch(follow) {
    addEventListener("online", follow);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") follow();
    });
    setInterval(follow, INTERVAL);
  }

  /** Takes a frame that tells an event. A late one must not bring back what has been deleted since. */
  receive(frame) {
    if (!(number(frame.event_id) <= number(this.#floor))) this.#apply([frame]);
  }

  /** Reads everything since the position, after what is being read already. */
  follow() {
    this.#turn = this.#turn.catch(() => {}).then(() => this.#read());
    return this.#turn;
  }

  async #read() {
    for (let more = true; more; ) {
      const page = await this.#api.listEvents(this.#user, this.#position);
      this.#apply(page.events);
      this.#floor = page.event_id;
      if (page.lost) await this.#listAgain();
      this.#position = page.event_id;
      more = page.more;
    }
  }
}

function number(eventId) {
  return parseInt(eventId, 10);
}
