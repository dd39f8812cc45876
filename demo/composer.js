// The field a message is written in. Each conversation keeps its own draft, over a reload too.

import { fitToText, submitOnEnter } from "./fields.js";

const find = (id) => document.getElementById(id);

export class Composer {
  #me;
  #peer = null;
  #field = find("draft");

  /** `send` is given what was written, `typing` is called with each change of it. */
  constructor(me, { send, typing }) {
    this.#me = me;
    find("composer").onsubmit = (event) => {
      event.preventDefault();
      const content = this.#field.value;
      if (content.trim() === "") return;
      this.#set("");
      send(content);
    };
    submitOnEnter(this.#field);
    fitToText(this.#field);
    this.#field.addEventListener("input", (event) => {
      this.#keep(this.#peer, this.#field.value);
      // Only a person's own changes come as this kind of event.
      if (event instanceof InputEvent && this.#field.value) typing();
    });
  }

  open(peer) {
    this.#peer = peer;
    this.#field.placeholder = `Write to ${peer}`;
    this.#set(sessionStorage.getItem(this.#key(peer)) ?? "");
  }

  focus() {
    this.#field.focus();
  }

  /** Gives back a text that could not be sent; false where something new has been written since. */
  giveBack(peer, content) {
    if (sessionStorage.getItem(this.#key(peer))) return false;
    this.#keep(peer, content);
    if (peer === this.#peer) this.#set(content);
    return true;
  }

  #set(text) {
    this.#field.value = text;
    this.#field.dispatchEvent(new Event("input"));
  }

  #keep(peer, text) {
    if (text) sessionStorage.setItem(this.#key(peer), text);
    else sessionStorage.removeItem(this.#key(peer));
  }

  #key(peer) {
    return `draft ${JSON.stringify([this.#me, peer])}`;
  }
}
