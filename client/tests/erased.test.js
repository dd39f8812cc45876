// A client whose log of events is gone: what it holds may be anything, so it lists anew.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { next, startGateway, until } from "./gateway.js";

/** @type {Awaited<ReturnType<typeof startGateway>>} */
let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway.stop());

const contents = ({ messages }) => messages.map(({ content }) => content);

/** Erases a user, of whom no device is there to hear of it. @param {string} user */
async function erase(user) {
  while (!(await gateway.request("DELETE", `/me?user=${user}`)).answer.done);
}

/** Alice with a message of Bob's, as it came, whose log was empty when she began. */
async function aliceWithAMessage() {
  const [alice, bob] = [gateway.name("alice"), gateway.name("bob")];
  const client = await gateway.online(alice);
  const conversation = client.conversation(bob);
  await conversation.load();
  const say = (content) => gateway.request("POST", "/messages", { sender_id: bob, receiver_id: alice, content });
  const followed = next(client, "request", ({ path }) => path.startsWith("/events?"));
  await say("before");
  await until(conversation, ({ messages }) => messages.length === 1);
  await followed;
  return { alice, client, conversation, say };
}

test("what was erased while away is gone, though the log was empty when the client began", async () => {
  const { alice, client, conversation } = await aliceWithAMessage();
  await leave(client);
  await erase(alice);
  client.connect();
  await until(conversation, ({ messages }) => messages.length === 0);
  await until(client.conversations, ({ conversations }) => conversations.length === 0);
});

test("a position that the log does not hold any more leads to new lists", async () => {
  const { alice, client, conversation, say } = await aliceWithAMessage();
  await leave(client);
  await erase(alice);
  await say("after");
  const refused = [];
  client.on("request", ({ path, status }) => status === 410 && refused.push(path));
  client.connect();
  await until(conversation, (snapshot) => JSON.stringify(contents(snapshot)) === '["after"]');
  // The list and the conversation are asked for side by side.
  const isListed = ({ conversations }) => conversations.map(({ lastMessage }) => lastMessage.content).join() === "after";
  assert.equal((await until(client.conversations, isListed)).unread, 1);
  assert.equal(refused.length, 1);
  // It goes on from the position that it was given.
  await say("and on");
  await until(conversation, ({ messages }) => messages.length === 2);
});

/** @param {import("../src/index.js").NowOptics} client */
async function leave(client) {
  client.close();
  await until(client, ({ state }) => state === "closed");
}
