// Notices that vanish by themselves: failures, how calls ended, what can be undone.

const SHOWN_FOR = 8_000;

/** Shows a sentence; with `action`, `{ label, run }`, a button as well. `gone` is called when it was not used. */
export function notify(text, { action, gone, shownFor = SHOWN_FOR } = {}) {
  if (!text) return;
  const template = document.getElementById("notice-template");
  const notice = template.content.cloneNode(true).firstElementChild;
  const words = text.trim();
  const close = (after) => {
    clearTimeout(clock);
    if (notice.isConnected) {
      notice.remove();
      after?.();
    }
  };
  const clock = setTimeout(() => close(gone), shownFor);
  notice.querySelector("span").textContent = words;
  notice.querySelector(".dismiss").onclick = () => close(gone);
  const button = notice.querySelector(".action");
  button.hidden = !action;
  button.textContent = action?.label ?? "";
  button.onclick = () => close(action.run);
  const notices = document.getElementById("notices");
  for (const other of action ? [] : [...notices.children]) {
    if (other.querySelector("span").textContent === words) other.remove();
  }
  notices.append(notice);
}
