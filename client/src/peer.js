// The peer connection of a call: perfect negotiation, tracks, and a data channel that tells how the tracks are.

// Both sides open the channel by this number, so that none waits for the other; a client without it hears nothing.
const CHANNEL = 7;

/**
 * @typedef {object} PeerOwner
 * @property {any} RTCPeerConnection
 * @property {object} configuration
 * @property {(type: "offer" | "answer" | "candidate", data: any) => void} signal
 * @property {(track: MediaStreamTrack) => void} addTrack a track of the peer
 * @property {(state: RTCPeerConnectionState) => void} follow
 * @property {(told: any) => void} hear what the peer tells over the data channel
 * @property {(error: Error) => void} fail
 */

export class Peer {
  /** Whether we give way where offers cross: a callee does. */
  isPolite;
  /** @type {RTCPeerConnection} */
  connection;
  #owner;
  #channel;
  #news = "{}";
  #isOffering = false;
  #isSettingAnswer = false;
  #isDescribed = false;
  /** @type {any[]} */
  #early;

  /** @param {PeerOwner} owner @param {boolean} isPolite @param {any[]} early candidates that came before */
  constructor(owner, isPolite, early) {
    this.#owner = owner;
    this.isPolite = isPolite;
    this.#early = early;
    const connection = (this.connection = new owner.RTCPeerConnection(owner.configuration));
    connection.onnegotiationneeded = () => this.#offer();
    connection.onicecandidate = (/** @type {any} */ { candidate }) => {
      if (candidate?.candidate) owner.signal("candidate", candidate);
    };
    connection.ontrack = (/** @type {any} */ { track }) => owner.addTrack(track);
    connection.onconnectionstatechange = () => owner.follow(connection.connectionState);
    this.#channel = connection.createDataChannel("state", { negotiated: true, id: CHANNEL });
    this.#channel.onopen = () => this.tell();
    this.#channel.onmessage = (/** @type {MessageEvent} */ { data }) => {
      try {
        owner.hear(JSON.parse(data));
      } catch {
        // Another program's channel.
      }
    };
  }

  /** Tells the peer how our tracks are, once that is possible. @param {object} [news] */
  tell(news) {
    if (news) this.#news = JSON.stringify(news);
    if (this.#channel.readyState === "open") this.#channel.send(this.#news);
  }

  /** @param {"audio" | "video"} kind */
  sender(kind) {
    return this.connection.getSenders().find(({ track }) => track?.kind === kind);
  }

  /** Lets the peer send what we do not. @param {"audio" | "video"} kind */
  receive(kind) {
    this.connection.addTransceiver(kind, { direction: "recvonly" });
  }

  /** Whether an offer of ours waits for its answer. */
  get isWaiting() {
    return this.connection.signalingState === "have-local-offer";
  }

  /** Takes an offer or an answer. @param {any} description */
  async take(description) {
    const { connection } = this;
    const isOffer = description.type === "offer";
    const isStable = connection.signalingState === "stable";
    // An answer that nobody waits for is one that came twice.
    if (!isOffer && isStable) return;
    // An offer that came twice asks for the answer that was lost.
    if (isOffer && isStable && connection.remoteDescription?.sdp === description.sdp) return this.repeat();
    const collides = isOffer && (this.#isOffering || !(isStable || this.#isSettingAnswer));
    if (collides && !this.isPolite) return;
    this.#isDescribed = true;
    this.#isSettingAnswer = !isOffer;
    // The connection queues what it is told, so candidates may follow at once.
    const applied = connection.setRemoteDescription(description);
    for (const candidate of this.#early.splice(0)) this.addCandidate(candidate);
    await applied.finally(() => (this.#isSettingAnswer = false));
    if (!isOffer) return;
    await connection.setLocalDescription();
    this.repeat();
  }

  /** Keeps a candidate until its description is in use. @param {any} candidate */
  addCandidate(candidate) {
    if (!this.#isDescribed) return void this.#early.push(candidate);
    // One that does not fit belongs to an offer that was passed over; the call needs it no more.
    this.connection.addIceCandidate(candidate).catch(() => {});
  }

  /** Sends our last description again, with all candidates found since. */
  repeat() {
    const description = this.connection.localDescription;
    if (description) this.#owner.signal(/** @type {"offer" | "answer"} */ (description.type), description);
  }

  restart() {
    this.connection.restartIce();
  }

  close() {
    this.connection.close();
  }

  async #offer() {
    try {
      this.#isOffering = true;
      await this.connection.setLocalDescription();
      this.repeat();
    } catch (error) {
      this.#owner.fail(/** @type {Error} */ (error));
    } finally {
      this.#isOffering = false;
    }
  }
}
