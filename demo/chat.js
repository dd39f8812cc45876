// One conversation as the person sees it: its messages and calls, and where in them the person reads.

import { Ending } from "./ending.js";
import { renderCall, renderDay, renderMessage, updateMessage } from "./bubble.js";

const find = (id) => document.getElementById(id);

// How near to the first message older ones are asked for, in pixels.
const NEAR_START = 300;

export class Chat {
  #actions;
  #older;
  #list = find("messages");
  #button = find("new-messages");
  /** Kept by message, by call and by day: a node that stays keeps its focus and its unsaved edit. */
  #nodes = new Map();
  #ending;

  /** `actions` as in `renderMessage`; `older` is called when the person comes near to the first message. */
  constructor(actions, older) {
    this.#actions = actions;
    this.#older = older;
    this.#ending = new Ending(this.#list, () => {
      if (this.#ending.isShown) this.#button.hidden = true;
      if (this.#list.scrollTop < NEAR_START) this.#older();
    });
    this.#button.onclick = () => {
      this.#ending.show();
      this.#list.focus();
    };
  }

  /** Another conversation: nothing of the old one stays. */
  clear(peer) {
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.#button.hidden = true;
    this.#ending.show();
    find("no-messages").textContent = `No messages with ${peer} yet. Say hello!`;
  }

  /** Whether the person has the newest messages before them. */
  get showsEnd() {
    return this.#ending.isShown && document.visibilityState === "visible" && document.hasFocus();
  }

  /** `messages` oldest first, `calls` likewise; `readByPeer` is the id up to which the peer has read. */
  show(messages, calls, readByPeer, complete) {
    find("no-messages").hidden = messages.length > 0 || calls.length > 0 || !complete;
    const fresh = messages.filter((message) => !this.#nodes.has(keyOf(message)));
    const grew = this.#nodes.size > 0 && fresh.includes(messages.at(-1));
    if (grew && messages.at(-1).isMine) this.#ending.isShown = true;
    else if (grew && !this.#ending.isShown) this.#button.hidden = false;
    this.#place(this.#arrange(messages, calls, readByPeer));
    this.#ending.follow();
  }

  #arrange(messages, calls, readByPeer) {
    const wanted = new Map();
    const lastSeen = messages.findLast(({ id, isMine }) => isMine && id !== null && id <= (readByPeer ?? ""));
    for (const entry of inOrder(messages, calls)) {
      const date = new Date(entry.created_at ?? entry.at);
      const day = date.toDateString();
      if (!wanted.has(day)) wanted.set(day, this.#nodes.get(day) ?? renderDay(date));
      const key = keyOf(entry);
      const node = this.#nodes.get(key) ?? (entry.at ? renderCall(entry) : renderMessage(entry, this.#actions));
      if (!entry.at) updateMessage(node, entry, entry === lastSeen);
      wanted.set(key, node);
    }
    return wanted;
  }

  /** Puts the nodes in order and moves none that is in place; what is read stays where it is. */
  #place(wanted) {
    const list = this.#list;
    const fromEnd = list.scrollHeight - list.scrollTop;
    const first = [...this.#nodes.values()].find((node) => node.classList.contains("message"));
    const top = first?.offsetTop;
    for (const [key, node] of this.#nodes) if (wanted.get(key) !== node) node.remove();
    let place = list.firstElementChild;
    for (const node of wanted.values()) {
      if (node === place) place = place.nextElementSibling;
      else list.insertBefore(node, place);
    }
    const prepended = first?.isConnected && first.offsetTop > top;
    if (prepended && !this.#ending.isShown) list.scrollTop = list.scrollHeight - fromEnd;
    this.#nodes = wanted;
  }
}

function keyOf(entry) {
  return entry.at ? `call ${entry.at} ${entry.text}` : entry.key;
}

/** Calls stand where their time puts them; messages keep their own order. */
function inOrder(messages, calls) {
  const entries = [];
  const waiting = [...calls];
  for (const message of messages) {
    while (waiting.length && new Date(waiting[0].at) < new Date(message.created_at)) entries.push(waiting.shift());
    entries.push(message);
  }
  return [...entries, ...waiting];
}
