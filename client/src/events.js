// Follows a user's events, so that nothing is missed that no connection told. Only what it reads moves its position.

/** @typedef {import("./wire.js").ChatEvent} ChatEvent */

export class Events {
  #api;
  #apply;
  #listAgain;
  /** @type {string | undefined} */
  #position;
  /** What is not after this event is known already: a late frame must not bring back what has been deleted since. */
  #floor = "0-0";
  #turn = Promise.resolve();
  #isQueued = false;

  /**
   * @param {import("./api.js").Api} api
   * @param {(events: ChatEvent[]) => void} apply
   * @param {() => Promise<any>} listAgain lists what is shown, where the log does not go back far enough
   */
  constructor(api, apply, listAgain) {
    this.#api = api;
    this.#apply = apply;
    this.#listAgain = listAgain;
  }

  /** Whether the log was empty so far: any other log, also one begun anew after an erasure, would go on from there. */
  get isAtStart() {
    return this.#position === "0-0";
  }

  /** Takes a frame that tells an event. @param {ChatEvent} frame */
  receive(frame) {
    if (!(parseInt(frame.event_id) <= parseInt(this.#floor))) this.#apply([frame]);
  }

  /** Reads everything since the position, after what is being read already. @param {string} [start] the position to list at, the first time */
  follow(start) {
    if (this.#isQueued) return this.#turn;
    this.#isQueued = true;
    this.#turn = this.#turn.catch(() => {}).then(() => {
      this.#isQueued = false;
      return this.#read(start);
    });
    return this.#turn;
  }

  /** @param {string} [start] */
  async #read(start) {
    if (this.#position === undefined && start) return this.#list(start);
    for (let more = true; more; ) {
      try {
        const { answer } = await this.#api.request("GET /events", { query: { since: this.#position } });
        this.#apply(answer.events);
        if (this.#position === undefined) await this.#list(answer.event_id);
        this.#position = this.#floor = answer.event_id;
        more = answer.more;
      } catch (error) {
        const { status, answer } = /** @type {any} */ (error);
        if (status !== 410) throw error;
        await this.#list(answer.event_id);
      }
    }
  }

  /** @param {string} position */
  async #list(position) {
    this.#floor = position;
    await this.#listAgain();
    this.#position = position;
  }
}
