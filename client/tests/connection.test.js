// The connection: how it is opened, lost and opened again, with and without tokens.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { pauseAfter } from "../src/backoff.js";
import { NowOptics, SignInError } from "../src/index.js";
import { next, startGateway, unusedUrl, until } from "./gateway.js";

/** @type {Awaited<ReturnType<typeof startGateway>>} */
let gateway;
/** @type {Awaited<ReturnType<typeof startGateway>>} */
let guarded;
before(async () => ([gateway, guarded] = await Promise.all([startGateway(), startGateway("--auth")])));
after(() => Promise.all([gateway.stop(), guarded.stop()]));

test("closing and connecting in one turn opens one connection", async () => {
  const client = gateway.client(gateway.name("alice"));
  let registered = 0;
  client.on("frame", ({ frame }) => (registered += frame.type === "registered" ? 1 : 0));
  client.connect()();
  client.connect();
  await until(client, ({ state }) => state === "online");
  await until(client.conversations, ({ isLoaded }) => isLoaded);
  assert.equal(registered, 1);
  client.close();
  client.connect();
  await client.conversations.load();
  assert.equal(registered, 1);
});

test("a lost connection is opened again", async () => {
  const client = await gateway.online(gateway.name("alice"));
  await gateway.setFaults("push:500=1");
  const closed = next(client, "frame", ({ direction }) => direction === "closed");
  try {
    client.conversation("bob").send("a push that fails closes the connection");
    await closed;
  } finally {
    await gateway.clearFaults();
  }
  client.retry();
  await until(client, ({ state }) => state === "online");
});

test("a server that is away is tried again with growing pauses", async () => {
  const client = gateway.client("alice", { api: await unusedUrl() });
  client.connect();
  const { retryAt, error } = await until(client, ({ state }) => state === "waiting");
  assert.ok(retryAt > Date.now() && retryAt < Date.now() + 1_000);
  assert.ok(error);
  client.retry();
  await until(client, ({ state, retryAt: later }) => state === "waiting" && later > retryAt);
});

test("a registration that the platform fails is tried again", async () => {
  let registers = 0;
  const lambda = createServer((request, response) => {
    // Only `register` crashes, so the WebSocket itself is open.
    const crashes = request.url?.includes("/register/");
    if (crashes) {
      registers++;
      response.setHeader("x-amz-function-error", "Unhandled");
    }
    response.end(JSON.stringify(crashes ? { errorType: "Runtime.ExitError" } : { statusCode: 200 }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => lambda.once("listening", resolve));
  const { port } = /** @type {import("node:net").AddressInfo} */ (lambda.address());
  const failing = await startGateway("--lambda-url", `http://127.0.0.1:${port}`);
  try {
    const client = failing.client("alice");
    client.connect();
    await until(client, ({ state, error }) => state === "waiting" && error?.message === "Internal server error");
    client.retry();
    await until(client, ({ state }) => state === "waiting" && registers > 1);
  } finally {
    await failing.stop();
    lambda.close();
  }
});

test("pauses double up to 30 s, half of each at random, and the server may ask for more", () => {
  for (const [failures, longest] of [[0, 1_000], [1, 2_000], [4, 16_000], [5, 30_000], [50, 30_000]]) {
    const pauses = Array.from({ length: 200 }, () => pauseAfter(failures));
    assert.ok(pauses.every((pause) => pause >= longest / 2 && pause <= longest), `${failures} failures`);
    assert.ok(Math.max(...pauses) - Math.min(...pauses) > longest / 4, "clients do not come at once");
  }
  assert.equal(pauseAfter(0, { retryAfter: 7 }), 7_000);
});

test("a user that cannot be is refused, and not tried again", async () => {
  const client = gateway.client("x".repeat(200));
  client.connect();
  const { error } = await until(client, ({ state }) => state === "refused");
  assert.match(error.message, /userKey/);
});

test("with tokens each connection has a ticket of its own", async () => {
  const name = guarded.name("alice");
  const client = guarded.client(undefined, { token: () => guarded.token(name), WebSocket: Recorded });
  client.connect();
  await until(client, ({ state }) => state === "online");
  const first = Recorded.last;
  const closed = next(client, "frame", ({ direction }) => direction === "closed");
  first.close();
  await closed;
  client.retry();
  await until(client, ({ state }) => state === "online");
  const tickets = [first, Recorded.last].map(({ url }) => new URL(url).searchParams.get("ticket"));
  assert.ok(tickets.every((ticket) => ticket) && tickets[0] !== tickets[1], `${tickets}`);
});

test("with tokens the user is known once registered, and a token that is refused is asked for anew", async () => {
  const name = guarded.name("alice");
  const token = await guarded.token(name);
  const asked = [];
  const client = guarded.client(undefined, { token: (refused) => (asked.push(refused), refused ? token : (asked.length > 4 ? token : "stale")) });
  client.connect();
  await until(client, ({ state }) => state === "online");
  assert.equal(client.user, name);
  assert.ok(asked.includes("stale"), "a token that is refused is asked for anew");
  const bob = guarded.name("bob");
  const other = guarded.client(bob, { token: () => guarded.token(bob) });
  other.connect();
  const toAlice = other.conversation(name);
  toAlice.send("Hello Alice");
  const { sender_id: sender } = await next(client, "message");
  assert.equal(sender, bob);
});

test("a client without a token learns that the server wants one, and with one that it does not", async () => {
  const nameless = guarded.client(guarded.name("alice"));
  const [sent] = [nameless.conversation("bob").send("Hello")];
  nameless.connect();
  const { error } = await until(nameless, ({ state }) => state === "refused");
  assert.match(error.message, /option `token`/);
  const { messages } = await until(nameless.conversation("bob"), ({ messages }) => messages[0].state === "failed");
  assert.deepEqual([messages[0].key, messages[0].error.status], [sent, 401]);
  const name = gateway.name("alice");
  const trusting = gateway.client(name, { token: () => guarded.token(name) });
  trusting.connect();
  assert.match((await until(trusting, ({ state }) => state === "refused")).error.message, /leave the option `token` out/);
});

test("where signing in is hopeless nothing is tried again", async () => {
  const failing = () => {
    throw new SignInError("no such user");
  };
  for (const [token, sentence] of [[failing, /no such user/], [() => "nonsense", /Unauthorized/]]) {
    const client = guarded.client(undefined, { token });
    client.connect();
    const { error } = await until(client, ({ state }) => state === "refused");
    assert.match(error.message, sentence);
  }
});

test("what is missing is named", () => {
  assert.throws(() => new NowOptics({ user: "alice" }), /api/);
});

test("a listener that throws harms nothing but itself", async () => {
  const client = gateway.client(gateway.name("alice"));
  // The test runner takes every such error for a failure.
  const runners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
  const stop = client.on("frame", () => {
    stop();
    throw new Error("a mistake of the listener");
  });
  client.connect();
  assert.match((await thrown).message, /a mistake/);
  runners.forEach((listener) => process.on("uncaughtException", listener));
  await until(client, ({ state }) => state === "online");
});

/** A WebSocket that a test can look at and cut. */
class Recorded extends (globalThis.WebSocket ?? Object) {
  static last;

  constructor(url) {
    super(url);
    Recorded.last = this;
  }
}
