// Which camera, microphone and loudspeaker the person has chosen, kept for the next call.

const find = (id) => document.getElementById(id);

const KINDS = { audio: "audioinput", video: "videoinput", sound: "audiooutput" };

/** The chosen device of a kind (`audio`, `video`, `sound`); undefined for the browser's own choice. */
export function chosenDevice(kind) {
  return localStorage.getItem(`device ${kind}`) || undefined;
}

/** Opens what is wished for, with the chosen devices; as the client package asks for it. */
export function openChosen({ audio, video }) {
  if (!navigator.mediaDevices) throw new DOMException("no secure context", "SecurityError");
  const choose = (kind, wish) => (wish === true ? { deviceId: chosenDevice(kind) } : wish);
  return navigator.mediaDevices.getUserMedia({ audio: choose("audio", audio), video: choose("video", video) });
}

/** `changed(kind, deviceId)` is called for a choice, so that a running call can follow it. */
export function offerDevices(changed) {
  find("open-devices").onclick = async () => {
    find("devices").showModal();
    await list();
  };
  for (const kind of Object.keys(KINDS)) {
    find(`device-${kind}`).onchange = ({ target }) => {
      localStorage.setItem(`device ${kind}`, target.value);
      changed(kind, target.value);
    };
  }
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (find("devices").open) list();
  });
}

async function list() {
  const hint = find("devices-hint");
  if (!navigator.mediaDevices) {
    hint.textContent = "Devices need HTTPS, or the page on localhost.";
    return;
  }
  // Without a permission the browser tells no names.
  let devices = await navigator.mediaDevices.enumerateDevices();
  if (devices.every(({ label }) => label === "")) {
    await permit();
    devices = await navigator.mediaDevices.enumerateDevices();
  }
  for (const [kind, deviceKind] of Object.entries(KINDS)) show(kind, devices.filter((it) => it.kind === deviceKind));
  hint.textContent = "The choice counts at once, for a call that is running too.";
}

async function permit() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of stream.getTracks()) track.stop();
  } catch {
    // Then the list has no names, or is empty, and says so.
  }
}

function show(kind, devices) {
  const select = find(`device-${kind}`);
  const options = devices
    .filter(({ deviceId }) => deviceId !== "default")
    .map(({ deviceId, label }, index) => new Option(label || `Device ${index + 1}`, deviceId));
  select.replaceChildren(new Option(devices.length ? "The browser's choice" : "None found", ""), ...options);
  select.value = chosenDevice(kind) ?? "";
  select.disabled = devices.length === 0;
}
