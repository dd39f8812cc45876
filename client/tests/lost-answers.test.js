// What the client does where the server has done what was asked, and its answer never comes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { memory, next, startGateway, until } from "./gateway.js";
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

test("a list whose answer is lost is asked for again", async (t) => {
  const [alice, bob] = [gateway.name("alice"), gateway.name("bob")];
  let doomed = "";
  const proxy = await startProxy(gateway.url, ({ method, path }) => {
    if (!doomed || !`${method} ${path}`.startsWith(doomed)) return undefined;
    doomed = "";
    return "all";
  });
  t.after(() => proxy.stop());
  const post = async (sender_id, receiver_id) =>
    (await gateway.request("POST", "/messages", { sender_id, receiver_id, content: "hello" })).answer.data.id;
  const [first, second] = [await post(bob, alice), await post(bob, alice)];
  const client = await gateway.online(alice, { api: proxy.url });

  doomed = "GET /messages";
  await until(client.conversation(bob), ({ isLoaded }) => isLoaded);
  assert.equal(doomed, "", "the messages were asked for twice");

  doomed = "GET /conversations";
  await gateway.request("DELETE", `/messages/${second}`);
  await until(client.conversations, ({ conversations: [{ lastMessage, unread }] }) => lastMessage.id === first && unread === 1);
  assert.equal(doomed, "", "the list was asked for twice after a delete");

  const third = await post(alice, bob);
  await until(client.conversation(bob), ({ messages }) => messages.length === 2);
  client.close();
  await until(client, ({ state }) => state === "closed");
  await gateway.request("PUT", `/conversations/-/read?user=${bob}&peer=${alice}`, { message_id: third });
  doomed = "GET /conversations";
  client.connect();
  await until(client.conversation(bob), ({ readByPeer }) => readByPeer === third);
  assert.equal(doomed, "", "the list was asked for twice after a reconnect");
});

test("a token that cannot be had for a while is no failure", async () => {
  let isAway = false;
  /** @type {() => void} */
  let missed = () => {};
  const token = () => {
    if (!isAway) return undefined;
    isAway = false;
    missed();
    throw new TypeError("fetch failed");
  };
  /** The next token is none. */
  const away = () => {
    isAway = true;
    return new Promise((resolve) => (missed = () => resolve(undefined)));
  };
  const [alice, bob] = [gateway.name("alice"), gateway.name("bob")];
  const client = await gateway.online(alice, { token });
  const conversation = client.conversation(bob);
  await until(conversation, ({ isLoaded }) => isLoaded);

  let asked = away();
  conversation.send("sent all the same");
  await asked;
  await until(conversation, ({ messages: [message] }) => message?.state === "sent");

  await gateway.request("POST", "/messages", { sender_id: bob, receiver_id: alice, content: "read this" });
  await until(conversation, ({ messages }) => messages.length === 2);
  const told = next(client, "request", ({ method, status }) => method === "PUT" && status === 200);
  asked = away();
  conversation.markRead();
  await asked;
  await told;
});
