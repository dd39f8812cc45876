// One call with one peer: its states, its signaling, and what mends them. docs/protocol.md has the rules.

import { openMedia } from "./media.js";
import { Observable } from "./observable.js";
import { Peer } from "./peer.js";

const RING_TIME = 60_000;
// A callee waits a little longer, so that the caller's own end comes first.
const CALLEE_RING_TIME = 65_000;
const CONNECT_TIME = 30_000;
// One that does not connect may have lost a candidate.
const RESTART_TIME = 10_000;
const SILENCE = 15_000;
const POLL_INTERVAL = 5_000;

/** @typedef {import("./media.js").Kind} Kind */
/** @typedef {import("./media.js").Wish} Wish */
/** @typedef {"on" | "off" | "none" | "unknown"} TrackState */

/**
 * @typedef {object} CallSnapshot
 * @property {"calling" | "ringing" | "connecting" | "active" | "ended"} state `calling`: we rang; `ringing`: they rang
 * @property {boolean} wantsVideo whether the caller shows a picture
 * @property {boolean} isRinging while calling: a device of the peer rings
 * @property {boolean} isPeerAbsent while calling: no device of the peer is there yet
 * @property {MediaStream | null} localStream the same object throughout the call
 * @property {MediaStream | null} remoteStream likewise
 * @property {MediaStreamTrack[]} remoteTracks what has come in it
 * @property {TrackState} audio
 * @property {TrackState} video
 * @property {boolean} isSharing
 * @property {TrackState} peerAudio
 * @property {TrackState} peerVideo
 * @property {boolean} isPeerSharing
 * @property {"good" | "weak" | "reconnecting"} network
 * @property {boolean} isPeerAway the peer's connection is lost; the call goes on for 30 s more at least
 * @property {"none" | "camera" | "microphone" | "both"} missing
 * @property {"" | "denied" | "insecure" | "unavailable"} missingBecause
 * @property {number | null} activeSince milliseconds since 1970
 * @property {string | null} reason once ended
 * @property {boolean} endedByPeer
 * @property {Error | null} error behind the reason `failed`
 */

/**
 * @typedef {object} CallOwner
 * @property {(frame: object) => boolean} send
 * @property {(call: Call) => Promise<any>} ask what the server knows of the call with this peer, or null
 * @property {() => Promise<object>} configure the configuration of a peer connection
 * @property {any} RTCPeerConnection
 * @property {import("./media.js").OpenMedia | undefined} openMedia
 * @property {(call: Call, id: string, reason: string, isLast: boolean) => void} endLater a hang-up that no frame could tell
 * @property {(call: Call) => void} changed called when it begins and ends
 */

/** @extends {Observable<CallSnapshot>} */
export class Call extends Observable {
  /** An id tells a call from the one before it. @type {string} */
  id;
  /** @type {string} */
  peer;
  /** @type {"caller" | "callee"} */
  role;
  #owner;
  /** @type {Peer | null} */
  #peer = null;
  /** Their offer, until it is answered. @type {any} */
  #offer = null;
  /** @type {any[]} */
  #early = [];
  /** Tracks that were opened here, and so are stopped here. @type {Set<MediaStreamTrack>} */
  #own = new Set();
  /** The camera while the screen is shown. @type {MediaStreamTrack | null | undefined} */
  #camera;
  #hasRestarted = false;
  /** @type {any} */
  #limit;
  /** @type {any} */
  #restart;
  /** @type {any} */
  #poll;

  /** @param {CallOwner} owner @param {string} peer @param {any} [offer] the frame that rang; without, we call @internal */
  constructor(owner, peer, offer) {
    const streams = globalThis.MediaStream ? [new MediaStream(), new MediaStream()] : [null, null];
    super({
      state: offer ? "ringing" : "calling",
      wantsVideo: offer ? /m=video[^]*?a=send/.test(offer.data?.sdp ?? "") : true,
      isRinging: false,
      isPeerAbsent: false,
      localStream: streams[0],
      remoteStream: streams[1],
      remoteTracks: [],
      audio: "none",
      video: "none",
      isSharing: false,
      peerAudio: "unknown",
      peerVideo: "unknown",
      isPeerSharing: false,
      network: "good",
      isPeerAway: false,
      missing: "none",
      missingBecause: "",
      activeSince: null,
      reason: null,
      endedByPeer: false,
      error: null,
    });
    this.#owner = owner;
    this.peer = peer;
    this.role = offer ? "callee" : "caller";
    this.id = offer?.call_id ?? crypto.randomUUID();
    this.#offer = offer?.data ?? null;
    this.#endAfter(offer ? CALLEE_RING_TIME : RING_TIME);
    this.#heard();
    // A peer that sends no ids would not know the frame.
    if (offer && !this.id.startsWith("s-")) this.#say("ringing");
  }

  get peerConnection() {
    return this.#peer?.connection ?? null;
  }

  /** Answers a call that rings. @param {Wish} [wish] */
  accept(wish) {
    if (this.#state !== "ringing") return;
    this._set({ state: "connecting" });
    clearTimeout(this.#limit);
    this._open(wish);
  }

  decline() {
    this.#finish("declined");
  }

  hangUp() {
    const reason = this.#state === "ringing" ? "declined" : this.#state === "calling" ? "cancelled" : "hangup";
    this.#finish(reason);
  }

  /** Switches our sound or picture on or off; opens the device where there was none. @param {Kind} kind @param {boolean} enabled */
  async enable(kind, enabled) {
    const tracks = this.#tracks(kind);
    for (const track of tracks) track.enabled = enabled;
    if (enabled && !tracks.length) await this.#take(kind, { [kind]: true });
    this.#tell();
  }

  /** Takes another microphone or camera. @param {Kind} kind @param {string} deviceId */
  async useDevice(kind, deviceId) {
    await this.#take(kind, { [kind]: { deviceId: { exact: deviceId } } });
  }

  /** Shows the screen in place of the camera. @param {MediaStream} [stream] of a screen that is captured already */
  async shareScreen(stream) {
    const [track] = (stream ?? (await navigator.mediaDevices.getDisplayMedia({ video: true }))).getVideoTracks();
    if (this.#state === "ended") return track.stop();
    const camera = this.#camera === undefined ? (this.#tracks("video")[0] ?? null) : this.#camera;
    track.onended = () => void this.stopSharing();
    await this.#put("video", track, camera);
    this.#camera = camera;
    this.#tell();
  }

  async stopSharing() {
    if (this.#camera === undefined || this.#state === "ended") return;
    const camera = this.#camera;
    this.#camera = undefined;
    await this.#put("video", camera);
  }

  // The rest is between the modules of the package.

  /** Opens devices and the peer connection, and rings or answers. @param {Wish} [wish] @internal */
  async _open(wish = {}) {
    try {
      if (!this.#owner.RTCPeerConnection) throw new Error("There is no RTCPeerConnection here: give one as an option.");
      const [media, configuration] = await Promise.all([openMedia(wish, this.#owner.openMedia), this.#owner.configure()]);
      const { stream, missing, missingBecause } = media;
      for (const track of (!wish.stream && stream?.getTracks()) || []) this.#own.add(track);
      if (this.#state === "ended") return this.#stopTracks();
      const { localStream } = this.getSnapshot();
      for (const track of stream?.getTracks() ?? []) localStream?.addTrack(track);
      const wantsVideo = this.role === "callee" ? this.getSnapshot().wantsVideo : this.#tracks("video").length > 0;
      this._set({ missing, missingBecause, wantsVideo });
      this.#connect(configuration);
      if (this.#state === "connecting") this.#expectConnection();
      if (this.#offer) await this.#describe(this.#offer);
    } catch (error) {
      this.#fail(/** @type {Error} */ (error));
    }
  }

  /** Whether a frame is about this call; those of older clients name none. @param {any} frame @internal */
  _owns({ sender, target, call_id: id }) {
    return this.#state !== "ended" && (sender ?? target) === this.peer && (id === undefined || id === this.id);
  }

  /** @param {any} frame @internal */
  _receive(frame) {
    this.#heard();
    switch (frame.type) {
      case "offer":
      case "answer":
        return this.#describe(frame.data).catch((error) => this.#fail(error));
      case "candidate":
        return this.#peer ? this.#peer.addCandidate(frame.data) : void this.#early.push(frame.data);
      case "ringing":
        return this._set({ isRinging: true, isPeerAbsent: false });
      case "peer_disconnected":
        return this._set({ isPeerAway: true });
      case "peer_reconnected":
        return this._set({ isPeerAway: false });
      case "end_call":
        return this._end(frame.reason ?? "hangup", true);
      case "error":
        return this.#refused(frame);
    }
  }

  /** Both rang at once, and theirs goes on: our own is over, and becomes the answer to theirs. @param {any} offer @internal */
  _meet({ call_id: id, data }) {
    this.#say("end_call", { reason: "cancelled" });
    this.role = "callee";
    this.id = id;
    this.#offer = data;
    this._set({ state: "connecting" });
    if (!this.#peer) return;
    this.#peer.isPolite = true;
    this.#expectConnection();
    this.#describe(data).catch((error) => this.#fail(error));
  }

  /** A connection has registered: goes on where the former one stopped. @param {any} [known] what the server says of this call @internal */
  _resume(known) {
    if (this.#state === "ringing" && known) return;
    if (!known && !(this.#state === "calling" && !this.#peer)) return void this._verify();
    if (known?.state === "active" && known.here === false) return this._end("answered_elsewhere", true);
    this._set({ isPeerAway: known?.away !== undefined });
    this.#repeat();
    if (this.#state === "active" && this.getSnapshot().network === "reconnecting") this.#peer?.restart();
  }

  /** Asks the server what holds, and follows it. @internal */
  async _verify() {
    this.#heard(POLL_INTERVAL);
    const { id } = this;
    const known = await this.#owner.ask(this).catch(() => undefined);
    if (known === undefined || this.#state === "ended" || id !== this.id) return;
    const isOurs = known?.call_id === id;
    if (isOurs && known.state === "ended") return this._end(known.reason ?? "hangup", true);
    if (isOurs && known.state === "active" && this.#state === "ringing") return this._end("answered_elsewhere", true);
    // An offer that is not known was lost on the way, or crossed another, which the server then tells.
    if (!isOurs && this.#state !== "calling") return this._end("disconnected", true);
    if (isOurs) this._set({ isPeerAway: known.away !== undefined });
    const isBehind = known?.state === "active" ? this.#state === "calling" : this.role === "callee";
    if (!isOurs || isBehind) this.#repeat();
  }

  /** @param {string} reason @param {boolean} endedByPeer @param {Error | null} [error] @internal */
  _end(reason, endedByPeer, error = null) {
    if (this.#state === "ended") return;
    for (const timer of [this.#limit, this.#restart, this.#poll]) clearTimeout(timer);
    this.#peer?.close();
    this.#stopTracks();
    this._set({ state: "ended", reason, endedByPeer, error, isRinging: false, isPeerAbsent: false, isPeerAway: false });
    this.#owner.changed(this);
  }

  /** Ends it from a page that goes away, but lets a call ring that others may answer. @internal */
  _leave() {
    if (this.#state === "ringing") return;
    this.#finish(this.#state === "calling" ? "cancelled" : "hangup", null, true);
  }

  get #state() {
    return this.getSnapshot().state;
  }

  /** @param {object} configuration */
  #connect(configuration) {
    const stream = this.getSnapshot().localStream;
    const peer = new Peer(
      {
        RTCPeerConnection: this.#owner.RTCPeerConnection,
        configuration,
        signal: (type, data) => this.#say(type, { data }),
        addTrack: (track) => {
          this.getSnapshot().remoteStream?.addTrack(track);
          this._set({ remoteTracks: this.getSnapshot().remoteStream?.getTracks() ?? [] });
        },
        follow: (state) => this.#follow(state),
        hear: ({ audio, video, sharing }) => this._set({ peerAudio: audio, peerVideo: video, isPeerSharing: sharing === true }),
        fail: (error) => this.#fail(error),
      },
      this.role === "callee",
      this.#early,
    );
    this.#peer = peer;
    // For a caller this is what makes the negotiation needed.
    for (const track of stream?.getTracks() ?? []) peer.connection.addTrack(track, /** @type {MediaStream} */ (stream));
    if (!this.#offer) {
      // A user without a camera can still see the peer.
      for (const kind of /** @type {Kind[]} */ (["audio", "video"])) if (!peer.sender(kind)) peer.receive(kind);
    }
    this.#tell();
  }

  /** @param {any} description */
  async #describe(description) {
    if (!this.#peer) {
      // Not accepted yet, or still waiting for the camera.
      if (description.type === "offer") this.#offer = description;
      return;
    }
    if (this.#state === "calling") {
      this._set({ state: "connecting", isRinging: false, isPeerAbsent: false });
      this.#expectConnection();
    }
    this.#offer = null;
    await this.#peer.take(description);
  }

  /** @param {RTCPeerConnectionState} state */
  #follow(state) {
    if (state === "connected") {
      clearTimeout(this.#limit);
      clearTimeout(this.#restart);
      this.#hasRestarted = false;
      this._set({ state: "active", network: "good", activeSince: this.getSnapshot().activeSince ?? Date.now() });
    } else if (state === "disconnected") {
      this._set({ network: "weak" });
    } else if (state === "failed" && !this.#hasRestarted) {
      this.#hasRestarted = true;
      this._set({ network: "reconnecting" });
      this.#endAfter(CONNECT_TIME);
      this.#peer?.restart();
    }
  }

  /** @param {any} frame */
  #refused({ code, error, request_type: type, retry_after: seconds = 1 }) {
    if (code === "glare") return;
    if (code === "peer_unavailable") return this.#state === "calling" ? this._set({ isPeerAbsent: true }) : void this._verify();
    if (["rate_limited", "unavailable", "internal"].includes(code)) {
      // An ICE restart mends whatever else was lost.
      if (type !== "candidate") setTimeout(() => this.#repeat(), seconds * 1000);
      return;
    }
    if (type === "offer" || type === "answer") this.#fail(new Error(error));
  }

  /** Sends again what the peer may not have. */
  #repeat() {
    const isUnanswered = this.#peer?.isWaiting || (this.#state === "connecting" && this.role === "callee");
    if (this.#state !== "ended" && isUnanswered && !this.#offer) this.#peer?.repeat();
  }

  /** Puts off asking the server what holds, which is worth it while it rings or somebody is away. */
  #heard(time = SILENCE) {
    clearTimeout(this.#poll);
    this.#poll = setTimeout(() => {
      const isUncertain = this.#state === "calling" || this.#state === "ringing" || this.getSnapshot().isPeerAway;
      if (isUncertain) this._verify();
      else this.#heard();
    }, time);
  }

  /** @param {Kind} kind @param {MediaStreamConstraints} constraints */
  async #take(kind, constraints) {
    const open = this.#owner.openMedia ?? ((wish) => navigator.mediaDevices.getUserMedia(wish));
    const [track] = (await open(constraints)).getTracks().filter((each) => each.kind === kind);
    if (this.#state === "ended") return track.stop();
    this.#own.add(track);
    if (kind === "video" && this.#camera !== undefined) {
      // The screen is shown: this is what comes after.
      this.#camera?.stop();
      this.#camera = track;
      return;
    }
    track.enabled = this.#tracks(kind).every(({ enabled }) => enabled);
    await this.#put(kind, track);
  }

  /** Sends a track in place of the one of its kind, or none. @param {Kind} kind @param {MediaStreamTrack | null} track @param {MediaStreamTrack | null} [kept] not to be stopped */
  async #put(kind, track, kept) {
    const stream = /** @type {MediaStream} */ (this.getSnapshot().localStream);
    const sender = this.#peer?.sender(kind);
    if (sender) await sender.replaceTrack(track);
    else if (track) this.#peer?.connection.addTrack(track, stream);
    for (const former of this.#tracks(kind)) {
      stream.removeTrack(former);
      if (former !== kept) former.stop();
    }
    if (track) {
      this.#own.add(track);
      stream.addTrack(track);
    }
    this.#tell();
  }

  /** @param {Kind} kind */
  #tracks(kind) {
    return this.getSnapshot().localStream?.getTracks().filter((track) => track.kind === kind) ?? [];
  }

  /** Shows how our tracks are, here and to the peer. */
  #tell() {
    /** @param {Kind} kind @returns {TrackState} */
    const stateOf = (kind) => {
      const tracks = this.#tracks(kind);
      return !tracks.length ? "none" : tracks.some(({ enabled }) => enabled) ? "on" : "off";
    };
    const [audio, video, isSharing] = [stateOf("audio"), stateOf("video"), this.#camera !== undefined];
    this._set({ audio, video, isSharing });
    this.#peer?.tell({ audio, video, sharing: isSharing });
  }

  #stopTracks() {
    for (const track of this.#own) track.stop();
  }

  /** @param {string} type @param {object} [fields] */
  #say(type, fields) {
    return this.#owner.send({ type, target: this.peer, call_id: this.id, ...fields });
  }

  #expectConnection() {
    this.#endAfter(CONNECT_TIME);
    clearTimeout(this.#restart);
    this.#restart = setTimeout(() => this.#peer?.restart(), RESTART_TIME);
  }

  /** Ends what takes too long. @param {number} time */
  #endAfter(time) {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => {
      const rings = this.#state === "calling" || this.#state === "ringing";
      this.#finish(rings ? "timeout" : "failed", rings ? null : new Error("No connection came about."));
    }, time);
  }

  /** @param {Error} error */
  #fail(error) {
    this.#finish("failed", error);
  }

  /** @param {string} reason @param {Error | null} [error] @param {boolean} [isLast] */
  #finish(reason, error = null, isLast = false) {
    if (this.#state === "ended") return;
    const wasRinging = this.#state === "ringing";
    const told = this.#say("end_call", { reason });
    if (!told || isLast) this.#owner.endLater(this, this.id, reason, isLast);
    this._end(reason, wasRinging && reason === "timeout", error);
  }
}
