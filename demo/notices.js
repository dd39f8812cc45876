// Notices that vanish by themselves: failures, and how calls ended.

const SHOWN_FOR = 8_000;

export function notify(text) {
  if (!text) return;
  const template = document.getElementById("notice-template");
  const notice = template.content.cloneNode(true).firstElementChild;
  notice.querySelector("span").textContent = text.trim();
  notice.querySelector("button").onclick = () => notice.remove();
  const notices = document.getElementById("notices");
  for (const other of [...notices.children]) {
    if (other.querySelector("span").textContent === text.trim()) other.remove();
  }
  notices.append(notice);
  setTimeout(() => notice.remove(), SHOWN_FOR);
}
