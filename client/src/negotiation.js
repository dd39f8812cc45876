// How the two sides of a call come to see each other: devices, the peer connection, and descriptions from first to last.

import { openMedia } from "./media.js";
import { Peer } from "./peer.js";
import { Tracks } from "./tracks.js";

/** What a call says where there is no WebRTC. */
export const NO_WEBRTC =
  "Calls need WebRTC, which Node and workers do not have. Give the client an RTCPeerConnection as an option, or call from a page.";

/** @typedef {import("./media.js").Kind} Kind */
/** @typedef {import("./call-snapshot.js").CallSnapshot} CallSnapshot */

/**
 * @typedef {object} Means
 * @property {any} RTCPeerConnection
 * @property {import("./media.js").OpenMedia | undefined} openMedia
 * @property {() => Promise<object>} configure the configuration of a peer connection
 *
 * @typedef {object} NegotiationOwner
 * @property {(type: "offer" | "answer" | "candidate", data: any) => void} signal
 * @property {(fields: Partial<CallSnapshot>) => void} show
 * @property {() => void} described the peer has answered, or renegotiates
 * @property {(state: RTCPeerConnectionState) => void} follow where it failed, it is tried again once
 * @property {(error: unknown) => void} fail
 */

export class Negotiation {
  /** What we send. */
  tracks;
  #means;
  #owner;
  #streams;
  #isCallee;
  /** Their offer, until it is answered. @type {any} */
  #offer;
  /** Candidates of theirs that came before the peer connection. @type {any[]} */
  #early = [];
  /** @type {Peer | null} */
  #peer = null;
  /** Whether the peer has had our answer. */
  #wasConnected = false;
  #hasRestarted = false;
  #isOver = false;

  /**
   * @param {Means} means
   * @param {NegotiationOwner} owner
   * @param {Pick<CallSnapshot, "localStream" | "remoteStream">} streams
   * @param {any} [offer] theirs; without, we offer
   */
  constructor(means, owner, streams, offer) {
    this.#means = means;
    this.#owner = owner;
    this.#streams = streams;
    this.#offer = offer;
    this.#isCallee = offer !== undefined;
    this.tracks = new Tracks(streams.localStream, means.openMedia, owner.show);
  }

  /** @returns {RTCPeerConnection | null} none until devices are open */
  get connection() {
    return this.#peer?.connection ?? null;
  }

  /** Opens devices and the peer connection, and offers or answers. @param {import("./media.js").Wish} [wish] */
  async open(wish = {}) {
    try {
      if (!this.#means.RTCPeerConnection) throw new Error(NO_WEBRTC);
      const [media, configuration] = await Promise.all([openMedia(wish, this.#means.openMedia), this.#means.configure()]);
      const { stream, missing, missingBecause } = media;
      this.tracks.add(stream, !wish.stream);
      if (this.#isOver) return;
      const wantsVideo = this.#isCallee ? {} : { wantsVideo: this.tracks.of("video").length > 0 };
      this.#owner.show({ missing, missingBecause, ...wantsVideo });
      this.#connect(configuration);
      if (this.#offer) await this.take(this.#offer);
    } catch (error) {
      this.#owner.fail(error);
    }
  }

  /** Takes an offer or an answer of the peer. @param {any} description */
  async take(description) {
    try {
      if (!this.#peer) {
        // Not accepted yet, or still waiting for the camera.
        if (description.type === "offer") this.#offer = description;
        return;
      }
      this.#owner.described();
      this.#offer = undefined;
      await this.#peer.take(description);
    } catch (error) {
      this.#owner.fail(error);
    }
  }

  /** @param {any} candidate */
  addCandidate(candidate) {
    if (this.#peer) this.#peer.addCandidate(candidate);
    else this.#early.push(candidate);
  }

  /** Our own offer is over, and becomes the answer to theirs. @param {any} offer */
  yieldTo(offer) {
    this.#isCallee = true;
    if (this.#peer) this.#peer.isPolite = true;
    this.take(offer);
  }

  /** Sends again what the peer may not have. */
  repeat() {
    const mayLack = this.#peer?.isWaiting || (this.#isCallee && !this.#wasConnected);
    if (mayLack && !this.#offer && !this.#isOver) this.#peer?.repeat();
  }

  restart() {
    this.#peer?.restart();
  }

  close() {
    this.#isOver = true;
    this.#peer?.close();
    this.tracks.stop();
  }

  /** @param {object} configuration */
  #connect(configuration) {
    const { localStream, remoteStream } = this.#streams;
    const { RTCPeerConnection } = this.#means;
    const { signal, show, fail } = this.#owner;
    const peer = new Peer(
      {
        ...{ RTCPeerConnection, configuration, signal, fail },
        follow: (state) => this.#follow(state),
        addTrack: (track) => {
          remoteStream?.addTrack(track);
          show({ remoteTracks: remoteStream?.getTracks() ?? [] });
        },
        hear: ({ audio, video, sharing }) => show({ peerAudio: audio, peerVideo: video, isPeerSharing: sharing === true }),
      },
      this.#isCallee,
      this.#early,
    );
    this.#peer = this.tracks.peer = peer;
    // For a caller this is what makes the negotiation needed.
    for (const track of localStream?.getTracks() ?? []) peer.connection.addTrack(track, /** @type {MediaStream} */ (localStream));
    if (!this.#offer) {
      // A user without a camera can still see the peer.
      for (const kind of /** @type {Kind[]} */ (["audio", "video"])) if (!peer.sender(kind)) peer.receive(kind);
    }
    this.tracks.tell();
  }

  /** @param {RTCPeerConnectionState} state */
  #follow(state) {
    if (state === "connected") [this.#wasConnected, this.#hasRestarted] = [true, false];
    if (state === "failed") {
      if (this.#hasRestarted) return;
      this.#hasRestarted = true;
      this.restart();
    }
    this.#owner.follow(state);
  }
}
