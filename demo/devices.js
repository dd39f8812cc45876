// Which camera, microphone and loudspeaker the person has chosen, kept for the next call.

const find = (id) => document.getElementById(id);

const KINDS = { audio: "audioinput", video: "videoinput", sound: "audiooutput" };

/** The chosen device of a kind (`audio`, `video`, `sound`); undefined for the browser's own choice. */
export function chosenDevice(kind) {
  return localStorage.getItem(`device ${kind}`) || undefined;
}

/** Opens what is wished for, with the chosen devices; as the client package asks for it. */
export async function openChosen({ audio, video }) {
  if (!navigator.mediaDevices) throw new DOMException("no secure context", "SecurityError");
  const open = (choice) => navigator.mediaDevices.getUserMedia({ audio: choice("audio", audio), video: choice("video", video) });
  try {
    return await open((kind, wish) => (wish === true ? deviceOf(chosenDevice(kind)) : asAsked(wish)));
  } catch (error) {
    if (error.name !== "OverconstrainedError") throw error;
    // The chosen device is not there at present.
    return open((_, wish) => asAsked(wish));
  }
}

/** No id is the browser's choice. */
function deviceOf(id) {
  return id ? { deviceId: { exact: id } } : true;
}

/** What is asked for by an id is that device or none. */
function asAsked(wish) {
  return typeof wish === "object" ? deviceOf(wish.deviceId.exact) : wish;
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
  const sound = chosenDevice("sound");
  if (sound) changed("sound", sound);
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
  // Without a permission for a kind the browser tells no names, nor ids.
  let devices = await navigator.mediaDevices.enumerateDevices();
  const isUnknown = (kind) => devices.some((device) => device.kind === KINDS[kind] && device.label === "");
  const [audio, video] = [isUnknown("audio"), isUnknown("video")];
  if (audio || video) {
    await permit({ audio, video });
    devices = await navigator.mediaDevices.enumerateDevices();
  }
  for (const [kind, deviceKind] of Object.entries(KINDS)) show(kind, devices.filter((it) => it.kind === deviceKind));
  hint.textContent = "The choice counts at once, for a call that is running too.";
}

async function permit(kinds) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia(kinds);
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
  options.unshift(new Option(devices.length ? "The browser's choice" : "None found", ""));
  const same = options.length === select.length && options.every(({ text, value }, index) => {
    return select.options[index].text === text && select.options[index].value === value;
  });
  // A list that the person has open must not close for nothing.
  if (!same) select.replaceChildren(...options);
  select.value = chosenDevice(kind) ?? "";
  select.disabled = devices.length === 0;
}
