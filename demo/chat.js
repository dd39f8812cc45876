// One conversation as the person sees it: the messages, the composer, editing in place.

const find = (id) => document.getElementById(id);

/** Hands what the person does to `send(content)`, `edit(message, content)`, `remove(message)`; each may fail. */
export class Chat {
  #me;
  #actions;
  #list = find("messages");
  #draft = find("draft");
  #composer = find("composer");
  /** Kept by message id, or by day: a node that stays keeps its focus and its unsaved edit. */
  #nodes = new Map();
  /** Whoever reads the end goes on reading the end: when a message comes, and when a call takes its room. */
  #atEnd = true;

  constructor(me, actions) {
    this.#me = me;
    this.#actions = actions;
    this.#composer.onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    submitOnEnter(this.#draft);
    fitToText(this.#draft);
    this.#list.onscroll = () => (this.#atEnd = distanceToEnd(this.#list) < 80);
    new ResizeObserver(() => this.#follow()).observe(this.#list);
  }

  /** Another conversation: nothing of the old one stays. */
  clear(peer) {
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.#draft.value = "";
    this.#draft.placeholder = `Write to ${peer}`;
    this.#atEnd = true;
  }

  focus() {
    this.#draft.focus();
  }

  show(messages) {
    const list = this.#list;
    const last = messages.at(-1);
    if (last?.sender_id === this.#me && !this.#nodes.has(last.id)) this.#atEnd = true;
    const wanted = new Map();
    for (const message of messages) {
      const day = new Date(message.created_at).toDateString();
      if (!wanted.has(day)) wanted.set(day, this.#nodes.get(day) ?? renderDay(message));
      const node = this.#nodes.get(message.id) ?? this.#render(message);
      this.#update(node, message);
      wanted.set(message.id, node);
    }
    for (const [key, node] of this.#nodes) if (!wanted.has(key)) node.remove();
    let place = list.firstElementChild;
    for (const node of wanted.values()) {
      if (node === place) place = place.nextElementSibling;
      else list.insertBefore(node, place);
    }
    this.#nodes = wanted;
    this.#follow();
  }

  #follow() {
    if (this.#atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  async #send() {
    const content = this.#draft.value;
    if (content.trim() === "") return;
    this.#draft.value = "";
    this.#draft.dispatchEvent(new Event("input"));
    const sent = await this.#actions.send(content);
    // A text that could not be sent is given back, unless something new is being written.
    if (!sent && this.#draft.value === "") this.#draft.value = content;
  }

  #render(message) {
    const node = find("message-template").content.cloneNode(true).firstElementChild;
    const own = message.sender_id === this.#me;
    node.dataset.id = message.id;
    node.classList.toggle("own", own);
    const time = node.querySelector("time");
    const created = new Date(message.created_at);
    time.dateTime = message.created_at;
    time.title = created.toLocaleString();
    time.textContent = created.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    // The latest version: the node outlives an edit.
    node.querySelector(".edit").onclick = () => this.#edit(node);
    node.querySelector(".delete").onclick = () => this.#actions.remove(node.message);
    node.querySelector(".actions").hidden = !own;
    return node;
  }

  #update(node, message) {
    node.message = message;
    node.querySelector(".content").textContent = message.content;
    node.querySelector(".edited").hidden = message.updated_at === null;
  }

  #edit(node) {
    if (node.querySelector(".edit-form")) return;
    const form = find("edit-template").content.cloneNode(true).firstElementChild;
    const text = form.querySelector("textarea");
    text.value = node.message.content;
    const stop = () => {
      form.remove();
      node.classList.remove("editing");
      this.focus();
    };
    form.querySelector(".cancel").onclick = stop;
    form.onkeydown = (event) => {
      if (event.key === "Escape") stop();
    };
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (text.value === node.message.content || (await this.#actions.edit(node.message, text.value))) stop();
    };
    node.classList.add("editing");
    node.append(form);
    submitOnEnter(text);
    fitToText(text);
    text.focus();
  }
}

function distanceToEnd({ scrollHeight, scrollTop, clientHeight }) {
  return scrollHeight - scrollTop - clientHeight;
}

function renderDay({ created_at: created }) {
  const node = find("day-template").content.cloneNode(true).firstElementChild;
  const options = { weekday: "long", day: "numeric", month: "long" };
  node.querySelector("time").textContent = new Date(created).toLocaleDateString([], options);
  return node;
}

/** Shift and Enter make a new line; so does Enter while an input method composes a word. */
function submitOnEnter(textarea) {
  textarea.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    textarea.form.requestSubmit();
  });
}

function fitToText(textarea) {
  const fit = () => {
    textarea.style.height = "auto";
    textarea.style.height = `${textarea.scrollHeight + 2}px`;
  };
  textarea.addEventListener("input", fit);
  fit();
}
