// The list of conversations: each with its peer, its last message and the number of unread ones.

import { showAvatar } from "./avatar.js";
import { shortTime } from "./text.js";

const find = (id) => document.getElementById(id);

export class People {
  #open;
  /** Kept by peer: a node that stays keeps its focus, and a click that has begun. */
  #nodes = new Map();

  /** `open` is given the peer that the person chose. */
  constructor(open) {
    this.#open = open;
    find("peer-form").onsubmit = (event) => {
      event.preventDefault();
      open(find("peer").value);
      event.target.reset();
    };
  }

  /** The conversations, the latest first; the selected peer is listed even before the first message. */
  show(conversations, selected, isLoaded, me) {
    const listed = [...conversations];
    if (selected !== null && !listed.some(({ peer }) => peer === selected)) listed.unshift({ peer: selected });
    find("nobody").hidden = listed.length > 0 || !isLoaded;
    const wanted = new Map(listed.map((each) => [each.peer, this.#nodes.get(each.peer) ?? this.#create(each.peer)]));
    for (const each of listed) update(wanted.get(each.peer), each, each.peer === selected, me);
    for (const [peer, node] of this.#nodes) if (!wanted.has(peer)) node.remove();
    let place = find("people").firstElementChild;
    for (const node of wanted.values()) {
      if (node === place) place = place.nextElementSibling;
      else find("people").insertBefore(node, place);
    }
    this.#nodes = wanted;
  }

  #create(peer) {
    const node = find("person-template").content.cloneNode(true).firstElementChild;
    const link = node.querySelector("a");
    node.dataset.peer = peer;
    const query = new URLSearchParams(location.search);
    query.set("with", peer);
    link.href = `?${query}`;
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#open(peer);
    };
    showAvatar(node.querySelector(".avatar"), peer);
    node.querySelector(".name").textContent = peer;
    return node;
  }
}

function update(node, { lastMessage, unread, isTyping }, isSelected, me) {
  node.querySelector("a").ariaCurrent = isSelected ? "page" : null;
  const { sender_id: sender, content = "", created_at: created } = lastMessage ?? {};
  node.querySelector(".last").textContent = isTyping ? "Typing…" : `${content && sender === me ? "You: " : ""}${content}`;
  node.querySelector("time").dateTime = created ?? "";
  node.querySelector("time").textContent = created ? shortTime(new Date(created)) : "";
  const badge = node.querySelector(".unread");
  badge.hidden = !unread;
  badge.textContent = unread || "";
  badge.title = `${unread} unread`;
}
