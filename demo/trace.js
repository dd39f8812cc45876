// The log pane: every frame and request as it goes by, to learn the protocol from.

import { Ending } from "./ending.js";

const find = (id) => document.getElementById(id);

const MOST = 200;

const WAYS = { sent: "↑", received: "↓", asked: "⇅", failed: "✕" };

export class Trace {
  #entries = find("trace-entries");
  #ending = new Ending(this.#entries);
  /** The last line of candidates in each direction, as long as nothing else came: they fold into one. */
  #candidates = {};

  /** Follows what a client sends and hears from now on. */
  constructor(client) {
    client.on("frame", ({ direction, frame }) => this.#recordFrame(direction, frame));
    client.on("request", (request) => this.#recordRequest(request));
    find("clear-trace").onclick = () => {
      this.#candidates = {};
      this.#entries.replaceChildren();
    };
    find("toggle-trace").onclick = () => this.#show(find("trace").hidden);
    find("close-trace").onclick = () => this.#show(false);
  }

  #show(isShown) {
    find("trace").hidden = !isShown;
    find("toggle-trace").ariaExpanded = String(isShown);
  }

  #recordFrame(direction, frame) {
    const kind = direction === "closed" ? "closed" : (frame.type ?? "platform");
    this.#record({ way: direction === "closed" ? "failed" : direction, kind, gist: describe(frame), body: frame });
  }

  #recordRequest({ method, path, status, request, answer }) {
    const way = status < 400 ? "asked" : "failed";
    this.#record({ way, kind: method, gist: `${status ?? ""}  ${decodeURIComponent(path)}`, body: { request, answer } });
  }

  /** `way` is a key of `WAYS`; `body` is shown when the line is opened. */
  #record({ way, kind, gist, body }) {
    if (kind !== "candidate") this.#candidates = {};
    else if (this.#candidates[way]) return this.#fold(this.#candidates[way], body);
    const entry = find("trace-template").content.cloneNode(true).firstElementChild;
    const now = new Date();
    entry.dataset.way = way;
    entry.querySelector(".way").textContent = WAYS[way];
    entry.querySelector(".way").title = way;
    entry.querySelector(".kind").textContent = kind;
    entry.querySelector(".gist").textContent = gist;
    entry.querySelector("time").textContent = now.toLocaleTimeString([], { hour12: false });
    entry.querySelector("time").dateTime = now.toISOString();
    entry.querySelector("pre").textContent = JSON.stringify(body, null, 2);
    if (kind === "candidate") this.#candidates[way] = { entry, count: 1 };

    this.#entries.append(entry);
    if (this.#entries.childElementCount > MOST) this.#entries.firstElementChild.remove();
    this.#ending.follow();
  }

  #fold(folded, body) {
    folded.count += 1;
    folded.entry.querySelector(".kind").textContent = `candidate ×${folded.count}`;
    folded.entry.querySelector("pre").append(`\n${JSON.stringify(body, null, 2)}`);
  }
}

/** Puts first things first for a reader of the log. */
function describe(frame) {
  if (frame.type === undefined) return [frame.code, frame.reason, frame.message].filter(Boolean).join(" ");
  if (frame.type === "error") return `${frame.code}: ${frame.error}`;
  if (frame.target !== undefined && frame.sender === undefined) return `to ${frame.target}`;
  if (frame.sender !== undefined) return `from ${frame.sender}${frame.reason ? `, ${frame.reason}` : ""}`;
  return frame.userKey ?? frame.data?.content ?? frame.data?.id ?? "";
}
