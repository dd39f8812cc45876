// What the client does where the server has done what was asked, and its answer never comes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { memory, startGateway, until } from "./gateway.js";
import { startProxy } from "./proxy.js";

/** @type {Awaited<ReturnType<typeof startGateway>>} */
let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway.stop());

test("sends, edits and deletes whose answers are lost are done once", async (t) => {
  const [alice, bob] = [gateway.name("alice"), gateway.name("bob")];
  /** @type {Map<string, number>} */
  const attempts = new Map();
  const proxy = await startProxy(gateway.url, ({ method, path, body }) => {
    const operation = `${method} ${path} ${body}`;
    const earlier = attempts.get(operation) ?? 0;
    attempts.set(operation, earlier + 1);
    return earlier ? undefined : attempts.size % 2 ? "all" : "head";
  });
  t.after(() => proxy.stop());
  const storage = memory();
  const client = await gateway.online(alice, { api: proxy.url, storage });
  const peer = await gateway.online(bob);
  const told = [];
  peer.on("message", ({ content }) => told.push(content));
  const toBob = client.conversation(bob);
  const toAlice = peer.conversation(alice);
  await Promise.all([toBob.load().catch(() => toBob.load()), toAlice.load()]);

  const [first, second, third] = ["first", "second", "third"].map((content) => toBob.send(content));
  // The first two are not acknowledged yet, so these changes wait for their ids.
  toBob.edit(first, "first, edited");
  toBob.delete(second);
  await until(toBob, ({ messages }) => messages.length === 2 && messages.every(({ state }) => state === "sent"));
  toBob.edit(third, "third, edited");
  toBob.delete(first);
  toBob.send("fourth");

  const expected = ["third, edited", "fourth"];
  const shows = ({ messages }) => JSON.stringify(messages.map(({ content }) => content)) === JSON.stringify(expected);
  const isDone = (snapshot) => shows(snapshot) && snapshot.messages.every(({ state }) => state === "sent");
  await Promise.all([until(toBob, isDone), until(toAlice, shows)]);
  // What is there already may still have to be acknowledged.
  const requests = { subscribe: (look) => client.on("request", () => setTimeout(look)), getSnapshot: () => storage.length };
  await until(requests, (left) => left === 0);
  const { answer } = await gateway.request("GET", `/messages?user=${bob}`);
  assert.deepEqual(answer.map(({ content }) => content), expected);
  assert.deepEqual(told.map((content) => content.split(",")[0]).sort(), ["first", "fourth", "second", "third"]);
  const repeated = [...attempts].filter(([operation]) => !operation.startsWith("GET"));
  assert.deepEqual(repeated.filter(([, count]) => count < 2), []);
  assert.equal(repeated.length, 8);
});
