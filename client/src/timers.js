// How long a call waits: for an answer, for the connection of its media, and for word of what holds.

const RING_TIME = 60_000;
// A callee waits a little longer, so that the caller's own end comes first.
const CALLEE_RING_TIME = 65_000;
const CONNECT_TIME = 30_000;
// One that does not connect may have lost a candidate.
const RESTART_TIME = 10_000;
const SILENCE = 15_000;
const POLL_INTERVAL = 5_000;

/**
 * @typedef {object} TimersOwner
 * @property {() => void} expired it took too long
 * @property {() => void} restart
 * @property {() => boolean} isUncertain whether it is worth asking the server what holds
 * @property {() => void} verify asks it
 */

export class Timers {
  #owner;
  /** @type {any} */
  #limit;
  /** @type {any} */
  #restart;
  /** @type {any} */
  #poll;
  #isConnecting = false;

  /** @param {TimersOwner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  /** @param {boolean} isCallee */
  ring(isCallee) {
    this.#endAfter(isCallee ? CALLEE_RING_TIME : RING_TIME);
    this.heard();
  }

  /** The peer connection is to come about, by a second try where it does not at once. Said again, it puts nothing off. */
  expectConnection() {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    this.#endAfter(CONNECT_TIME);
    this.#restart = setTimeout(this.#owner.restart, RESTART_TIME);
  }

  /** The peer connection has failed, and is tried again. */
  expectReconnection() {
    this.#endAfter(CONNECT_TIME);
  }

  /** Nothing is waited for: the call is connected, or devices are being opened. */
  settle() {
    this.#isConnecting = false;
    clearTimeout(this.#limit);
    clearTimeout(this.#restart);
  }

  /** Something was heard: the server is asked after a silence. */
  heard() {
    this.#askAfter(SILENCE);
  }

  /** The server is being asked, and is asked again soon. */
  asked() {
    this.#askAfter(POLL_INTERVAL);
  }

  stop() {
    this.settle();
    clearTimeout(this.#poll);
  }

  /** @param {number} time */
  #askAfter(time) {
    clearTimeout(this.#poll);
    this.#poll = setTimeout(() => (this.#owner.isUncertain() ? this.#owner.verify() : this.heard()), time);
  }

  /** @param {number} time */
  #endAfter(time) {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(this.#owner.expired, time);
  }
}
