// What can be watched of a call.

/** @typedef {import("./tracks.js").TrackState} TrackState */

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

/** The first one. @param {import("./wire.js").ServerFrames["offer"]} [offer] what rang; without, we call @returns {CallSnapshot} */
export function firstSnapshot(offer) {
  const sdp = offer?.data?.sdp;
  const [localStream, remoteStream] = globalThis.MediaStream ? [new MediaStream(), new MediaStream()] : [null, null];
  return {
    state: offer ? "ringing" : "calling",
    wantsVideo: offer ? typeof sdp === "string" && /m=video[^]*?a=send/.test(sdp) : true,
    isRinging: false,
    isPeerAbsent: false,
    localStream,
    remoteStream,
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
  };
}
