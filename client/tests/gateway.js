// The project behind its own gateway, as `cargo run` starts it, and clients of it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { randomUUID } from "node:crypto";
import { NowOptics } from "../src/index.js";

const PROGRAM = process.env.GATEWAY ?? new URL("../../target/debug/gateway", import.meta.url).pathname;
const FOLDER = new URL("../..", import.meta.url).pathname;
// Only a failing test waits this long.
const TIME_LIMIT = 30_000;

/** Starts a gateway with an empty store at free ports. @param {...string} options */
export async function startGateway(...options) {
  const all = ["--ephemeral", "--port", "0", "--admin-port", "0", ...options];
  const process = spawn(PROGRAM, all, { cwd: FOLDER, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: process.stdout });
  /** @type {Record<string, string>} */
  const places = {};
  for await (const line of lines) {
    const [, name, url] = /^\s*(HTTP|Admin|Tokens|Store)\s+(\S+)/.exec(line) ?? [];
    if (name) places[name] = url;
    if (line.includes("Ctrl-C")) break;
  }
  if (!places.HTTP) throw new Error(`The gateway ${PROGRAM} did not start: build it with cargo build --workspace --bins`);
  return new Gateway(process, places);
}

class Gateway {
  #process;
  #places;
  /** @type {NowOptics[]} */
  #clients = [];

  constructor(process, places) {
    this.#process = process;
    this.#places = places;
  }

  get url() {
    return this.#places.HTTP;
  }

  /** A user that no other test knows. @param {string} name */
  name(name) {
    return `${name}-${randomUUID().slice(0, 8)}`;
  }

  /** A client that is not connected yet. @param {string} user @param {object} [options] */
  client(user, options) {
    const client = new NowOptics({ user, api: this.url, storage: null, ...options });
    this.#clients.push(client);
    return client;
  }

  /** One that is registered. @param {string} user @param {object} [options] */
  async online(user, options) {
    const client = this.client(user, options);
    client.connect();
    await until(client, ({ state }) => state === "online");
    await until(client.conversations, ({ isLoaded }) => isLoaded);
    return client;
  }

  /** A token of the development issuer. @param {string} user */
  async token(user) {
    const response = await fetch(this.#places.Tokens, { method: "POST", body: new URLSearchParams({ sub: user }) });
    return (await response.json()).access_token;
  }

  /** @param {...string} faults */
  async setFaults(...faults) {
    await fetch(this.#places.Admin, { method: "POST", body: faults.join("\n") });
  }

  async clearFaults() {
    await fetch(this.#places.Admin, { method: "DELETE" });
  }

  /** What a client asks by REST, without the package. @param {string} path @param {object} [body] */
  async request(method, path, body) {
    const response = await fetch(this.url + path, { method, body: body && JSON.stringify(body) });
    return { status: response.status, answer: await response.json() };
  }

  /** Has the store carry out a command. @param {string} command */
  async tellStore(command) {
    const { hostname, port } = new URL(this.#places.Store);
    const socket = connect(Number(port), hostname);
    socket.write(`${command}\r\n`);
    const [answer] = await once(socket, "data");
    socket.destroy();
    if (`${answer}` !== "+OK\r\n") throw new Error(`${command}: ${answer}`);
  }

  async stop() {
    for (const client of this.#clients) client.close();
    // Closing takes a turn.
    await new Promise((resolve) => setTimeout(resolve));
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGINT");
    await gone;
  }
}

/** A URL at which nothing answers. */
export async function unusedUrl() {
  const server = createServer().listen(0, "localhost");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return `http://localhost:${port}`;
}

/** The first snapshot that a condition holds for. @template S @param {{ subscribe: any, getSnapshot: () => S }} watched @param {(snapshot: S) => unknown} condition @returns {Promise<S>} */
export function until(watched, condition) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!condition(watched.getSnapshot())) return;
      clearTimeout(timer);
      stop();
      resolve(watched.getSnapshot());
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`waited in vain for ${condition}: ${JSON.stringify(watched.getSnapshot())}`));
    }, TIME_LIMIT);
    const stop = watched.subscribe(look);
    look();
  });
}

/** The detail of the next event. @param {NowOptics} client @param {string} name @param {(detail: any) => unknown} [condition] @returns {Promise<any>} */
export function next(client, name, condition = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${name}`)), TIME_LIMIT);
    const stop = client.on(name, (detail) => {
      if (!condition(detail)) return;
      clearTimeout(timer);
      stop();
      resolve(detail);
    });
  });
}

/** A Storage that lives as long as the test. */
export function memory(from, rename = (key) => key) {
  const items = new Map();
  const storage = {
    get length() {
      return items.size;
    },
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    clear: () => items.clear(),
  };
  for (let index = 0; index < (from?.length ?? 0); index++) storage.setItem(rename(from.key(index)), from.getItem(from.key(index)));
  return storage;
}
