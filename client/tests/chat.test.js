// Messages, conversations and what is on its way, against the real functions.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { memory, next, startGateway, unusedUrl, until } from "./gateway.js";

/** @type {Awaited<ReturnType<typeof startGateway>>} */
let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway.stop());

const contents = ({ messages }) => messages.map(({ content }) => content);
const allSent = ({ messages }) => messages.length && messages.every(({ state }) => state === "sent");

/** Two users with each other's conversation open. */
async function two() {
  const names = [gateway.name("alice"), gateway.name("bob")];
  const [alice, bob] = await Promise.all(names.map((name) => gateway.online(name)));
  const [toBob, toAlice] = [alice.conversation(names[1]), bob.conversation(names[0])];
  await Promise.all([toBob.load(), toAlice.load()]);
  return { alice, bob, toBob, toAlice };
}

test("a message shows at once, is sent, and keeps its key", async () => {
  const { toBob, toAlice } = await two();
  const key = toBob.send("Hello Bob", { metadata: { reply: 1 } });
  const [bubble] = toBob.getSnapshot().messages;
  assert.deepEqual([bubble.key, bubble.id, bubble.state, bubble.content, bubble.isMine], [key, null, "sending", "Hello Bob", true]);
  const { messages } = await until(toBob, allSent);
  assert.deepEqual([messages.length, messages[0].key, messages[0].client_id], [1, key, key]);
  const [received] = (await until(toAlice, ({ messages }) => messages.length)).messages;
  assert.deepEqual([received.id, received.isMine, received.metadata], [messages[0].id, false, { reply: 1 }]);
});

test("messages arrive in the order in which they were sent", async () => {
  const { toBob, toAlice } = await two();
  const said = Array.from({ length: 10 }, (_, index) => `message ${index}`);
  for (const content of said) toBob.send(content);
  assert.deepEqual(contents(await until(toAlice, ({ messages }) => messages.length === 10)), said);
});

test("edits and deletes reach both, those of an unsent message too", async () => {
  const { toBob, toAlice } = await two();
  const [kept, gone] = [toBob.send("kept"), toBob.send("gone")];
  toBob.edit(kept, "edited");
  toBob.delete(gone);
  assert.deepEqual(contents(toBob.getSnapshot()), ["edited"]);
  const { messages } = await until(toBob, (snapshot) => allSent(snapshot) && snapshot.messages[0].updated_at);
  assert.deepEqual([messages[0].key, messages[0].content], [kept, "edited"]);
  const edited = ({ messages }) => messages.length === 1 && messages[0].content === "edited";
  await until(toAlice, edited);
  assert.throws(() => toBob.edit("no such key", "x"), RangeError);
});

test("what is too long fails, and can be mended or discarded", async () => {
  const { toBob, toAlice } = await two();
  const key = toBob.send("x".repeat(20_000));
  const failed = await until(toBob, ({ messages }) => messages[0]?.state === "failed");
  assert.equal(/** @type {any} */ (failed.messages[0].error).status, 413);
  toBob.send("after it");
  await until(toAlice, ({ messages }) => messages.length === 1);
  toBob.edit(key, "short");
  assert.deepEqual(contents(await until(toAlice, ({ messages }) => messages.length === 2)), ["after it", "short"]);
  const other = toBob.send("");
  await until(toBob, ({ messages }) => messages.some(({ state }) => state === "failed"));
  toBob.discard(other);
  await until(toBob, (snapshot) => snapshot.messages.length === 2 && allSent(snapshot));
});

test("what was said without a server is sent once, after a reload too", async () => {
  const { toAlice, alice, bob } = await two();
  const storage = memory();
  const nowhere = await unusedUrl();
  const gone = gateway.client(alice.user, { api: nowhere, storage });
  gone.connect();
  gone.conversation(bob.user).send("said in the dark");
  await next(gone, "request", ({ status }) => status === undefined);
  gone.close();
  // The storage belongs to the place, so what stays there is moved to the real one.
  const again = memory(storage, (key) => key.replace(nowhere, gateway.url));
  // Two pages at a time find it there.
  const reloaded = [1, 2].map(() => gateway.client(alice.user, { storage: again }));
  for (const client of reloaded) client.connect();
  await until(toAlice, ({ messages }) => messages.length);
  for (const client of reloaded) {
    const conversation = client.conversation(bob.user);
    await conversation.load();
    await until(conversation, (snapshot) => allSent(snapshot) && snapshot.messages.length === 1);
  }
  assert.deepEqual(contents(toAlice.getSnapshot()), ["said in the dark"]);
  assert.equal(again.length, 0);
});

test("history is listed page by page", async () => {
  const { alice, bob, toBob } = await two();
  const body = (index) => ({ sender_id: bob.user, receiver_id: alice.user, content: `${index}` });
  for (let index = 0; index < 120; index++) await gateway.request("POST", "/messages", body(index));
  await until(toBob, ({ messages }) => messages.length === 120);
  const fresh = (await gateway.online(alice.user)).conversation(bob.user);
  const stop = fresh.subscribe(() => {});
  await until(fresh, ({ isLoaded }) => isLoaded);
  assert.deepEqual([fresh.getSnapshot().messages.length, fresh.getSnapshot().hasOlder], [50, true]);
  await Promise.all([fresh.loadOlder(), fresh.loadOlder()]);
  assert.equal(fresh.getSnapshot().messages.length, 100);
  await fresh.loadOlder();
  assert.deepEqual(contents(fresh.getSnapshot()), Array.from({ length: 120 }, (_, index) => `${index}`));
  assert.equal(fresh.getSnapshot().hasOlder, false);
  stop();
});

test("unread messages are counted until they are read, on every device", async () => {
  const { alice, bob, toBob, toAlice } = await two();
  const other = await gateway.online(bob.user);
  toBob.send("one");
  toBob.send("two");
  const counted = ({ unread }) => unread === 2;
  await Promise.all([until(bob.conversations, counted), until(other.conversations, counted), until(toAlice, counted)]);
  const [entry] = bob.conversations.getSnapshot().conversations;
  assert.deepEqual([entry.peer, entry.lastMessage.content], [alice.user, "two"]);
  toAlice.markRead();
  assert.equal(toAlice.getSnapshot().unread, 0);
  await until(other.conversations, ({ unread }) => unread === 0);
  const { messages, readByPeer } = await until(toBob, ({ readByPeer }) => readByPeer);
  assert.equal(readByPeer, messages[1].id);
  toBob.delete(messages[1].key);
  await until(other.conversations, ({ conversations }) => conversations[0].lastMessage.content === "one");
});

test("the other is told who types, until the message comes", async () => {
  const { toBob, toAlice } = await two();
  toBob.typing();
  await until(toAlice, ({ isTyping }) => isTyping);
  toBob.send("done");
  await until(toAlice, ({ isTyping, messages }) => !isTyping && messages.length);
});

test("who has sent a message types no more, though the frame came late", async () => {
  const { alice, toBob, toAlice } = await two();
  await gateway.setFaults("frames:typing:delay=300ms");
  try {
    const told = new Promise((resolve) => alice.on("frame", (entry) => entry.frame.type === "typing" && resolve(entry)));
    toAlice.typing();
    toAlice.send("done");
    await until(toBob, ({ messages }) => messages.length);
    await told;
    assert.equal(toBob.getSnapshot().isTyping, false);
  } finally {
    await gateway.clearFaults();
  }
});

test("what was missed without a connection is caught up", async () => {
  const { alice, bob, toBob, toAlice } = await two();
  const [first] = [toBob.send("first"), toBob.send("second")];
  await until(toAlice, ({ messages }) => messages.length === 2);
  await until(toBob, allSent);
  bob.close();
  await until(bob, ({ state }) => state === "closed");
  toBob.edit(first, "edited");
  toBob.delete(toBob.getSnapshot().messages[1].key);
  toBob.send("third");
  await until(toBob, (snapshot) => allSent(snapshot) && snapshot.messages.length === 2 && snapshot.messages[0].updated_at);
  bob.connect();
  const expected = ["edited", "third"];
  await until(toAlice, (snapshot) => JSON.stringify(contents(snapshot)) === JSON.stringify(expected));
  assert.equal(alice.getSnapshot().state, "online");
});

test("pushes that are lost are no loss", async () => {
  const { toBob, toAlice } = await two();
  await gateway.setFaults("push:500=0.5");
  try {
    for (let index = 0; index < 12; index++) toBob.send(`${index}`);
    await until(toAlice, ({ messages }) => messages.length === 12);
    await until(toBob, (snapshot) => allSent(snapshot) && snapshot.messages.length === 12);
  } finally {
    await gateway.clearFaults();
  }
  assert.deepEqual(contents(toAlice.getSnapshot()), Array.from({ length: 12 }, (_, index) => `${index}`));
});

test("a snapshot is the same object until something changes", async () => {
  const { toBob } = await two();
  const before = toBob.getSnapshot();
  assert.equal(toBob.getSnapshot(), before);
  toBob.send("a change");
  assert.notEqual(toBob.getSnapshot(), before);
  const { messages } = await until(toBob, allSent);
  toBob.send("another");
  assert.equal(toBob.getSnapshot().messages[0], messages[0]);
  assert.throws(() => (toBob.getSnapshot().unread = 1), TypeError);
});
