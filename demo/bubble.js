// One entry of a conversation: a message with its state and buttons, or the trace of a call.

import { fitToText, submitOnEnter } from "./fields.js";
import { clockTime, dayWord, showText } from "./text.js";

const find = (id) => document.getElementById(id);

const STATES = { sending: "Sending…", editing: "Saving…", deleting: "Deleting…", failed: "Failed" };

const copy = (id) => find(id).content.cloneNode(true).firstElementChild;

/** `actions` are `edit(message, content)`, `remove(message)`, `retry(message)`, `discard(message)`, `done()`. */
export function renderMessage(message, actions) {
  const node = copy("message-template");
  node.classList.toggle("own", message.isMine);
  const time = node.querySelector("time");
  const created = new Date(message.created_at);
  time.dateTime = message.created_at;
  time.title = created.toLocaleString();
  time.textContent = clockTime(created);
  // The latest version: the node outlives an edit.
  node.querySelector(".edit").onclick = () => edit(node, actions);
  node.querySelector(".delete").onclick = () => actions.remove(node.message);
  node.querySelector(".retry").onclick = () => actions.retry(node.message);
  node.querySelector(".discard").onclick = () => actions.discard(node.message);
  return node;
}

/** `seen`: the peer has read up to here. */
export function updateMessage(node, message, seen) {
  node.message = message;
  node.dataset.state = message.state;
  showText(node.querySelector(".content"), message.content);
  node.querySelector(".edited").hidden = message.updated_at === null;
  node.querySelector(".actions").hidden = !message.isMine || message.state !== "sent";
  node.querySelector(".failure").hidden = message.state !== "failed";
  const state = STATES[message.state] ?? (seen ? "Seen" : "");
  const label = node.querySelector(".state");
  if (label.textContent !== state) label.textContent = state;
}

function edit(node, actions) {
  if (node.querySelector(".edit-form")) return;
  const form = copy("edit-template");
  const text = form.querySelector("textarea");
  text.value = node.message.content;
  const stop = () => {
    form.remove();
    node.classList.remove("editing");
    actions.done();
  };
  form.querySelector(".cancel").onclick = stop;
  form.onkeydown = (event) => {
    if (event.key === "Escape") stop();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (text.value !== node.message.content) actions.edit(node.message, text.value);
    stop();
  };
  node.classList.add("editing");
  node.append(form);
  submitOnEnter(text);
  fitToText(text);
  text.focus();
}

export function renderCall({ text, at, isMissed }) {
  const node = copy("call-template");
  node.classList.toggle("missed", isMissed);
  node.querySelector(".words").textContent = text;
  node.querySelector("time").dateTime = new Date(at).toISOString();
  node.querySelector("time").textContent = clockTime(new Date(at));
  return node;
}

export function renderDay(date) {
  const node = copy("day-template");
  node.querySelector("time").textContent = dayWord(date);
  return node;
}
