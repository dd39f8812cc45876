// The list of conversations: each with its peer, its last message and the number of unread ones.

import { showAvatar } from "./avatar.js";
import { shortTime } from "./text.js";

const find = (id) => document.getElementById(id);

export class People {
  #open;
  #me;
  #unread = new Map();

  /** `open` is given the peer that the person chose. */
  constructor(me, open) {
    this.#me = me;
    this.#open = open;
    find("peer-form").onsubmit = (event) => {
      event.preventDefault();
      open(find("peer").value);
      event.target.reset();
    };
  }

  count(peer) {
    this.#unread.set(peer, (this.#unread.get(peer) ?? 0) + 1);
  }

  read(peer) {
    this.#unread.delete(peer);
  }

  get unread() {
    return [...this.#unread.values()].reduce((sum, count) => sum + count, 0);
  }

  /**
   * `conversations` holds the last message by peer, and is `complete` once all are known; the selected peer is listed
   * even before the first.
   */
  show(conversations, selected, complete) {
    const peers = [...conversations.keys()];
    if (selected !== null && !conversations.has(selected)) peers.unshift(selected);
    find("nobody").hidden = peers.length > 0 || !complete;
    const focused = document.activeElement?.closest?.("#people li")?.dataset.peer;
    find("people").replaceChildren(...peers.map((peer) => this.#render(peer, conversations.get(peer), peer === selected)));
    if (focused !== undefined) find("people").querySelector(`[data-peer=${CSS.escape(focused)}] a`)?.focus();
  }

  #render(peer, last, isSelected) {
    const node = find("person-template").content.cloneNode(true).firstElementChild;
    const link = node.querySelector("a");
    node.dataset.peer = peer;
    link.href = `?${new URLSearchParams({ user: this.#me, with: peer })}`;
    link.ariaCurrent = isSelected ? "page" : null;
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#open(peer);
    };
    showAvatar(node.querySelector(".avatar"), peer);
    node.querySelector(".name").textContent = peer;
    if (last) {
      node.querySelector(".last").textContent = `${last.sender_id === this.#me ? "You: " : ""}${last.content}`;
      node.querySelector("time").dateTime = last.created_at;
      node.querySelector("time").textContent = shortTime(new Date(last.created_at));
    }
    const unread = this.#unread.get(peer);
    node.querySelector(".unread").hidden = !unread;
    node.querySelector(".unread").textContent = unread ?? "";
    node.querySelector(".unread").ariaLabel = `${unread} unread`;
    node.querySelector(".unread").role = "img";
    return node;
  }
}
