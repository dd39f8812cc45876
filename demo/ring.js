// The sound of a ringing phone, and a notification where the page is not in view.

const NOTES = { ringing: [660, 880], calling: [440] };
const INTERVAL = 2_500;

let context;

export class Ring {
  #clock;
  #notification;

  /** `kind` is `ringing` (a peer calls) or `calling` (a peer's phone rings). */
  start(kind, peer) {
    this.stop();
    this.#play(NOTES[kind]);
    this.#clock = setInterval(() => this.#play(NOTES[kind]), INTERVAL);
    if (kind === "ringing" && document.visibilityState === "hidden") this.#notify(peer);
  }

  stop() {
    clearInterval(this.#clock);
    this.#notification?.close();
    this.#notification = undefined;
  }

  #play(notes) {
    context ??= new AudioContext();
    // A page that nobody has touched yet must be silent; it is heard from the first click on.
    if (context.state !== "running") return void context.resume();
    notes.forEach((frequency, index) => beep(frequency, context.currentTime + index * 0.35));
  }

  #notify(peer) {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    try {
      this.#notification = new Notification(`${peer} is calling you`, { tag: "call", requireInteraction: true });
      this.#notification.onclick = () => window.focus();
    } catch {
      // Some phones have notifications only for installed pages.
    }
  }
}

/** Offers notifications as long as the person has not decided; browsers let a page ask on a click only. */
export function offerNotifications() {
  const button = document.getElementById("allow-notifications");
  const show = () => (button.hidden = !isUndecided());
  button.onclick = () => Notification.requestPermission().then(show);
  show();
}

/** Asks for notifications on another click. */
export function askForNotifications() {
  if (isUndecided()) Notification.requestPermission().then(offerNotifications);
}

function isUndecided() {
  return "Notification" in window && Notification.permission === "default";
}

/** A soft tone of 0.3 s. */
function beep(frequency, at) {
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.08, at + 0.03);
  volume.gain.linearRampToValueAtTime(0, at + 0.3);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.32);
}
