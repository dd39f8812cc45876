// Texts as the person reads them: links in a message, the words for days and times.

const LINK = /\bhttps?:\/\/[^\s<>"']*[^\s<>"'.,;:!?()[\]{}]/gu;

/** Shows a text with its links; it stays text, so that no markup of a peer's ever runs. */
export function showText(node, text) {
  if (node.textContent === text) return;
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index), link(match[0]));
    end = match.index + match[0].length;
  }
  node.replaceChildren(...parts, text.slice(end));
}

function link(url) {
  const node = document.createElement("a");
  Object.assign(node, { href: url, textContent: url, target: "_blank", rel: "noopener noreferrer" });
  return node;
}

/** "Today", "Yesterday", or the date. */
export function dayWord(date) {
  const now = new Date();
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (date.toDateString() === now.toDateString()) return "Today";
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday";
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year });
}

export function clockTime(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** The time of today, the date of another day. */
export function shortTime(date) {
  if (date.toDateString() === new Date().toDateString()) return clockTime(date);
  return date.toLocaleDateString([], { day: "numeric", month: "short" });
}

/** `m:ss`, or `h:mm:ss` from an hour on. */
export function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const twoDigits = (number) => String(number).padStart(2, "0");
  const rest = twoDigits(Math.floor(seconds) % 60);
  return hours ? `${hours}:${twoDigits(minutes)}:${rest}` : `${minutes}:${rest}`;
}
