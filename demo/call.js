// One call with one peer: media, signaling, and perfect negotiation with the caller impolite, the callee polite.

import { openMedia, stopMedia } from "./media.js";

const RING_TIME = 60_000;
const CONNECT_TIME = 30_000;
// How much later than its successor a frame may come.
const OVERTAKING_TIME = 5_000;

/**
 * Dispatches `change` whenever something about it changes.
 *
 * States: `calling` (we rang), `ringing` (they rang), `connecting`, `active`, `ended` (see `reason`).
 */
export class Call extends EventTarget {
  state;
  reason;
  endedByPeer = false;
  /** What the person should know besides the state. */
  notice = "";
  activeSince;
  localStream = new MediaStream();
  remoteStream = new MediaStream();

  #id;
  #send;
  #polite;
  #connection = null;
  /** Their offer, until it is answered. */
  #offer = null;
  #early = [];
  #described = false;
  #makingOffer = false;
  #settingAnswer = false;
  #answeredAt = -Infinity;
  #restarted = false;
  #clock;
  #video;

  /** With `offer`, the frame that rang; without, we are the caller. `send` takes a frame. */
  constructor({ me, peer, send, offer, video = true }) {
    super();
    Object.assign(this, { me, peer, role: offer ? "callee" : "caller" });
    this.#video = video;
    this.#send = send;
    this.#polite = offer !== undefined;
    this.#offer = offer?.data;
    // An id tells a call from the one before it. Older clients have none.
    this.#id = offer ? offer.call_id : crypto.randomUUID();
    this.state = offer ? "ringing" : "calling";
    this.#limit(RING_TIME);
  }

  /** Rings the peer. */
  start() {
    this.#guard(() => this.#open());
  }

  accept({ video = true } = {}) {
    this.#video = video;
    this.#enter("connecting");
    this.#guard(() => this.#open());
  }

  decline() {
    this.#finish("declined");
  }

  hangUp() {
    this.#finish(this.state === "calling" ? "cancelled" : "hangup");
  }

  /** Switches our sound (`audio`) or picture (`video`) on or off. */
  enable(kind, enabled) {
    for (const track of this.#tracks(kind)) track.enabled = enabled;
    this.#change();
  }

  subscribe(listener) {
    this.addEventListener("change", listener);
    return () => this.removeEventListener("change", listener);
  }

  getSnapshot() {
    const { state, reason, endedByPeer, activeSince, localStream, remoteStream, notice } = this;
    const own = (kind) => (this.has(kind) ? (this.#tracks(kind).some(({ enabled }) => enabled) ? "on" : "off") : "none");
    const media = { localStream, remoteStream, audio: own("audio"), video: own("video") };
    return { state, reason, endedByPeer, activeSince, ...media, notice, error: notice ? new Error(notice) : null };
  }

  has(kind) {
    return this.#tracks(kind).length > 0;
  }

  /** Whether a frame is about this call. Frames of older clients name none. */
  owns({ sender, target, call_id: id }) {
    const sameCall = id === undefined || this.#id === undefined || this.#id === id;
    return this.state !== "ended" && (sender ?? target) === this.peer && sameCall;
  }

  /** Takes a frame about this call. */
  receive(frame) {
    this.#id ??= frame.call_id;
    switch (frame.type) {
      case "offer":
      case "answer":
        return this.#guard(() => this.#describe(frame.data));
      case "candidate":
        return this.#addCandidate(frame.data);
      case "end_call":
        return this.#end(frame.reason ?? "hangup", true);
      case "error":
        return this.#refused(frame);
    }
  }

  /** Both rang at once, and the server lets theirs go on: ours is over, and becomes the answer to theirs. */
  meet(frame) {
    this.#say("end_call", { reason: "cancelled" });
    this.#polite = true;
    this.#id = frame.call_id;
    this.#offer = frame.data;
    this.#enter("connecting");
    if (this.#connection) this.#guard(() => this.#describe(this.#offer));
  }

  /** Whether an offer of another call may be an old one: they rang too, then answered us, and the answer came first. */
  outlives(offer) {
    return offer.sender === this.peer && performance.now() - this.#answeredAt < OVERTAKING_TIME;
  }

  #refused({ code, error }) {
    // Their offer crossed ours, and follows.
    if (code === "glare") return;
    if (code === "peer_unavailable") {
      // The server would hold the offer for devices that come later.
      this.#say("end_call", { reason: "cancelled" });
      return this.#end("unavailable", true);
    }
    this.notice = error;
    this.#end("failed", true);
  }

  async #open() {
    const { stream, notice } = await openMedia(this.#video);
    if (this.state === "ended") return stopMedia(stream);
    this.localStream = stream;
    this.#tell(notice);

    // On one machine or one network a call needs no ICE servers.
    const connection = new RTCPeerConnection();
    this.#connection = connection;
    connection.onnegotiationneeded = () => this.#guard(() => this.#makeOffer());
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) this.#say("candidate", { data: candidate });
    };
    connection.ontrack = ({ track }) => {
      this.remoteStream.addTrack(track);
      this.#change();
    };
    connection.onconnectionstatechange = () => this.#follow(connection.connectionState);

    // For a caller this is what makes the negotiation needed.
    for (const track of stream.getTracks()) connection.addTrack(track, stream);
    if (this.#offer) return this.#describe(this.#offer);
    for (const kind of ["audio", "video"]) {
      // A user without a camera can still see the peer.
      if (!this.has(kind)) connection.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  async #makeOffer() {
    try {
      this.#makingOffer = true;
      await this.#connection.setLocalDescription();
      this.#say("offer", { data: this.#connection.localDescription });
    } finally {
      this.#makingOffer = false;
    }
  }

  async #describe(description) {
    const connection = this.#connection;
    const isOffer = description.type === "offer";
    if (!connection) {
      // Not accepted yet, or still waiting for the camera.
      if (isOffer) this.#offer = description;
      return;
    }
    const stable = connection.signalingState === "stable";
    // An answer that nobody waits for comes from a second device of theirs.
    if (!isOffer && stable) return;
    const collision = isOffer && (this.#makingOffer || !(stable || this.#settingAnswer));
    if (collision && !this.#polite) return;

    if (this.state === "calling") {
      this.#answeredAt = performance.now();
      this.#enter("connecting");
    }
    this.#offer = null;
    this.#described = true;
    this.#settingAnswer = !isOffer;
    // The connection queues what it is told, so candidates may follow at once.
    const applied = connection.setRemoteDescription(description);
    for (const candidate of this.#early.splice(0)) this.#addCandidate(candidate);
    await applied.finally(() => (this.#settingAnswer = false));
    if (isOffer) {
      await connection.setLocalDescription();
      this.#say("answer", { data: connection.localDescription });
    }
  }

  /** Keeps a candidate until its description is in use: for a callee, that is after accepting. */
  #addCandidate(candidate) {
    if (!this.#described) return void this.#early.push(candidate);
    // One that does not fit belongs to an offer that was ignored; the call needs it no more.
    this.#connection.addIceCandidate(candidate).catch((error) => console.debug("candidate ignored:", error));
  }

  #follow(connectionState) {
    if (connectionState === "connected") {
      clearTimeout(this.#clock);
      this.#restarted = false;
      this.activeSince ??= Date.now();
      this.notice = "";
      this.#enter("active");
    } else if (connectionState === "disconnected") {
      this.#tell("The connection is weak…");
    } else if (connectionState === "failed" && this.#restarted) {
      this.#finish("failed");
    } else if (connectionState === "failed") {
      this.#restarted = true;
      this.#limit(CONNECT_TIME);
      this.#tell("Reconnecting…");
      this.#connection.restartIce();
    }
  }

  #tracks(kind) {
    return this.localStream.getTracks().filter((track) => track.kind === kind);
  }

  #say(type, fields) {
    this.#send({ type, target: this.peer, call_id: this.#id, ...fields });
  }

  async #guard(step) {
    try {
      await step();
    } catch (error) {
      // A failure of something that was under way when the call ended needs no notice.
      if (this.state === "ended") return;
      this.notice = error.message;
      this.#finish("failed");
    }
  }

  /** Ends what takes too long. */
  #limit(time) {
    clearTimeout(this.#clock);
    this.#clock = setTimeout(() => {
      if (this.state === "ringing") this.#end("timeout", true);
      else this.#finish(this.state === "calling" ? "timeout" : "failed");
    }, time);
  }

  #finish(reason) {
    if (this.state === "ended") return;
    this.#say("end_call", { reason });
    this.#end(reason, false);
  }

  #end(reason, endedByPeer) {
    clearTimeout(this.#clock);
    this.#connection?.close();
    stopMedia(this.localStream);
    Object.assign(this, { reason, endedByPeer });
    this.#enter("ended");
  }

  #tell(notice) {
    this.notice = notice;
    this.#change();
  }

  #enter(state) {
    if (state === "connecting") this.#limit(CONNECT_TIME);
    this.state = state;
    this.#change();
  }

  #change() {
    this.dispatchEvent(new Event("change"));
  }
}
