// Runs the client of docs/protocol.md, several of it at once: each line of standard input is a call, each line of
// standard output its result.
//
// usage: node recipe.mjs RECIPE SERVER

import { createInterface } from "node:readline";

const [recipe, server] = process.argv.slice(2);
const clients = new Map();

class Client {
  requests = 0;
  resyncs = 0;
  /** Events that no push had told. */
  recovered = 0;
  #pushed = new Set();
  #recipe;

  constructor(token) {
    const ask = async (path) => {
      const answer = await fetch(server + path, { headers: { authorization: `Bearer ${token}` } });
      if (path.startsWith("/events")) await this.#count(answer.clone());
      return answer;
    };
    const parts = "return { apply, follow, known: () => [...known.values()] };";
    this.#recipe = new Function("fetch", `${recipe}\n${parts}`)(ask);
  }

  async follow() {
    await this.#recipe.follow();
  }

  apply(frame) {
    this.#pushed.add(frame.event_id);
    this.#recipe.apply(frame);
  }

  /** The messages that are shown, and how they came. */
  show() {
    const { requests, resyncs, recovered } = this;
    const messages = this.#recipe.known().filter(({ content }) => content !== undefined);
    return { messages: messages.sort((a, b) => (a.id < b.id ? -1 : 1)), requests, resyncs, recovered };
  }

  async #count(answer) {
    this.requests += 1;
    if (answer.status === 410) this.resyncs += 1;
    if (!answer.ok) return;
    for (const { event_id: id } of (await answer.json()).events) if (!this.#pushed.has(id)) this.recovered += 1;
  }
}

async function call({ client: name, call, argument }) {
  if (call === "start") return void clients.set(name, new Client(argument));
  return clients.get(name)[call](argument);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { number, ...request } = JSON.parse(line);
  call(request).then(
    (result = null) => console.log(JSON.stringify({ number, result })),
    (error) => console.log(JSON.stringify({ number, error: String(error.status ?? error.stack ?? error) })),
  );
}
