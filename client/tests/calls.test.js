// Calls as far as they need no media, against the real functions: a device of the tests' own is the other side.
// Calls with media are tried in browsers.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { next, startGateway, until } from "./gateway.js";
import { startProxy } from "./proxy.js";

/** @type {Awaited<ReturnType<typeof startGateway>>} */
let gateway;
before(async () => (gateway = await startGateway()));
after(async () => {
  for (const device of devices) device.close();
  await gateway.stop();
});

const OFFER = { type: "offer", sdp: "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\na=ice-ufrag:abcd\r\n" };
const devices = [];

/** A registered WebSocket without the package. */
async function device(user) {
  const webSocket = new WebSocket(gateway.url.replace("http", "ws"));
  const frames = [];
  const waiting = new Set();
  webSocket.onmessage = ({ data }) => {
    frames.push(JSON.parse(data));
    for (const look of [...waiting]) look();
  };
  const self = {
    user,
    frames,
    send: (frame) => webSocket.send(JSON.stringify({ userKey: user, ...frame })),
    close: () => webSocket.close(),
    receive: (condition) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`waited in vain for ${condition}: ${JSON.stringify(frames)}`)), 30_000);
        const look = () => {
          const frame = frames.find(condition);
          if (!frame) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(frame);
        };
        waiting.add(look);
        look();
      }),
    /** Rings somebody; returns the id of the call. */
    offer: (target) => {
      const call_id = randomUUID();
      self.send({ type: "offer", target, call_id, data: OFFER });
      return call_id;
    },
  };
  devices.push(self);
  await new Promise((resolve) => (webSocket.onopen = resolve));
  self.send({ type: "register" });
  await self.receive(({ type }) => type === "registered");
  return self;
}

const ended = ({ state }) => state === "ended";

test("a call rings, says so, and can be declined on every device at once", async () => {
  const alice = await device(gateway.name("alice"));
  const name = gateway.name("bob");
  const [bob, other] = await Promise.all([gateway.online(name), gateway.online(name)]);
  const rings = [next(bob, "ring"), next(other, "ring")];
  const id = alice.offer(name);
  const [call, otherCall] = await Promise.all(rings);
  assert.deepEqual([call.id, call.peer, call.role], [id, alice.user, "callee"]);
  assert.equal(call.getSnapshot().wantsVideo, false);
  assert.deepEqual(bob.getSnapshot().calls, [call]);
  await alice.receive(({ type, call_id }) => type === "ringing" && call_id === id);
  call.decline();
  await alice.receive(({ type, reason }) => type === "end_call" && reason === "declined");
  const { endedByPeer, reason } = await until(otherCall, ended);
  assert.deepEqual([endedByPeer, reason], [true, "declined"]);
  assert.deepEqual(bob.getSnapshot().calls, []);
});

test("a caller who gives up stops the ringing", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"));
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  alice.send({ type: "end_call", target: bob.user, call_id, reason: "cancelled" });
  const { reason, endedByPeer } = await until(call, ended);
  assert.deepEqual([reason, endedByPeer], ["cancelled", true]);
});

test("a call that is answered elsewhere stops ringing here", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"));
  const elsewhere = await device(bob.user);
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  await elsewhere.receive(({ type }) => type === "offer");
  elsewhere.send({ type: "answer", target: alice.user, call_id, data: { type: "answer", sdp: "v=0\r\n" } });
  assert.equal((await until(call, ended)).reason, "answered_elsewhere");
});

test("another caller is told that one is busy, unless the client lets both ring", async () => {
  const [alice, carol] = [await device(gateway.name("alice")), await device(gateway.name("carol"))];
  for (const busy of [true, false]) {
    const bob = await gateway.online(gateway.name("bob"), { busy });
    const ring = next(bob, "ring");
    alice.offer(bob.user);
    await ring;
    const second = busy ? undefined : next(bob, "ring", ({ peer }) => peer === carol.user);
    const call_id = carol.offer(bob.user);
    if (busy) await carol.receive((frame) => frame.call_id === call_id && frame.reason === "busy");
    else await second;
    assert.equal(bob.getSnapshot().calls.length, busy ? 1 : 2);
  }
});

test("a client that comes while it rings is rung, and again after a reload, or closed and connected again", async () => {
  const alice = await device(gateway.name("alice"));
  const name = gateway.name("bob");
  const call_id = alice.offer(name);
  await alice.receive(({ code }) => code === "peer_unavailable");
  for (const time of ["first", "second"]) {
    const bob = gateway.client(name);
    const ring = next(bob, "ring");
    bob.connect();
    assert.equal((await ring).id, call_id, `the ${time} page`);
    bob.close();
    await until(bob, ({ state, calls }) => state === "closed" && calls.length === 0);
  }
  const bob = await gateway.online(name);
  bob.close();
  await until(bob, ({ state }) => state === "closed");
  const ring = next(bob, "ring");
  bob.connect();
  assert.equal((await ring).id, call_id, "the same client");
  const { answer } = await gateway.request("GET", `/calls/-?user=${alice.user}&peer=${name}`);
  assert.equal(answer.state, "ringing");
});

test("a hang-up without a connection is made good by REST", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"), { WebSocket: Cuttable });
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  Cuttable.last.close();
  await until(bob, ({ state }) => state === "waiting");
  call.decline();
  await alice.receive((frame) => frame.type === "end_call" && frame.call_id === call_id && frame.reason === "declined");
  bob.conversation(alice.user).typing();
  const sent = [];
  bob.on("frame", ({ direction, frame }) => direction === "sent" && sent.push(frame.type));
  bob.retry();
  await until(bob, ({ state }) => state === "online");
  const pong = next(bob, "frame", ({ frame }) => frame.type === "pong");
  bob.retry();
  await pong;
  assert.deepEqual(sent, ["register", "ping"], "nothing is kept for later");
});

test("a decline without a connection outlives a token that cannot be had at once", async () => {
  const alice = await device(gateway.name("alice"));
  let isAway = false;
  const token = () => {
    if (!isAway) return undefined;
    throw new TypeError("fetch failed");
  };
  const bob = await gateway.online(gateway.name("bob"), { WebSocket: Cuttable, token });
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  isAway = true;
  Cuttable.last.close();
  await until(bob, ({ state }) => state === "waiting");
  call.decline();
  // A connection tells of the end as well, so there is none any more.
  bob.close();
  await until(bob, ({ state }) => state === "closed");
  isAway = false;
  await alice.receive((frame) => frame.type === "end_call" && frame.call_id === call_id && frame.reason === "declined");
});

test("a decline that the server cannot take at the moment is made good by REST", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"));
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  await gateway.tellStore("CONFIG SET min-replicas-to-write 1");
  try {
    const refused = next(bob, "frame", ({ frame }) => frame.type === "error" && frame.request_type === "end_call");
    call.decline();
    assert.equal((await refused).frame.code, "unavailable");
  } finally {
    await gateway.tellStore("CONFIG SET min-replicas-to-write 0");
  }
  await alice.receive((frame) => frame.type === "end_call" && frame.call_id === call_id && frame.reason === "declined");
});

test("an offer whose id is none does not ring, and no shape of a frame stops the client", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"), { WebSocket: Cuttable });
  const rings = [];
  bob.on("ring", ({ id }) => rings.push(id));
  // This server puts an id of its own in place of what is none; others have let it pass.
  const relay = (frame) => Cuttable.last.onmessage({ data: JSON.stringify({ target: bob.user, sender: alice.user, ...frame }) });
  for (const call_id of [12345678, { a: 1 }, ["abcdefgh"], true, null, undefined, "short", "é".repeat(33)]) {
    for (const [type, data] of [["offer", OFFER], ["answer", null], ["candidate", 7]]) relay({ type, call_id, data });
  }
  const ring = next(bob, "ring");
  const call_id = randomUUID();
  alice.send({ type: "offer", target: bob.user, call_id, data: { type: "offer", sdp: { toString: 1 } } });
  assert.equal((await ring).getSnapshot().wantsVideo, false);
  assert.deepEqual(rings, [call_id]);
});

test("what ended here does not ring again, though the server still knows it as ringing", async (t) => {
  const alice = await device(gateway.name("alice"));
  const proxy = await startProxy(gateway.url);
  t.after(() => proxy.stop());
  const live = gateway.url.replace("http", "ws");
  const bob = await gateway.online(gateway.name("bob"), { api: proxy.url, live, WebSocket: Cuttable });
  const rings = [];
  bob.on("ring", (call) => rings.push(call));
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  Cuttable.last.close();
  await until(bob, ({ state }) => state === "waiting");
  // By REST the server does not hear of the end before there is a connection again.
  proxy.isShut = true;
  call.decline();
  const again = next(bob, "frame", ({ frame }) => frame.type === "offer" && frame.call_id === call_id);
  bob.retry();
  await again;
  await alice.receive((frame) => frame.type === "end_call" && frame.call_id === call_id && frame.reason === "declined");
  assert.deepEqual(rings, [call]);
  assert.deepEqual(bob.getSnapshot().calls, []);
  const told = next(bob, "request", ({ path, status }) => path.startsWith("/calls/-/end") && status === 200);
  proxy.isShut = false;
  await told;
});

test("a call whose end nobody told is found to be over", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"));
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  // The server takes every connection for gone, and tells none that the call ends.
  await gateway.setFaults("push:410=1");
  try {
    await gateway.request("POST", `/calls/-/end?user=${alice.user}&peer=${bob.user}`, { call_id, reason: "cancelled" });
  } finally {
    await gateway.clearFaults();
  }
  assert.equal(call.getSnapshot().state, "ringing");
  const { reason, endedByPeer } = await until(call, ended);
  assert.deepEqual([reason, endedByPeer], ["cancelled", true]);
});

test("an offer of another call from the same peer is believed once the server knows it", async () => {
  const alice = await device(gateway.name("alice"));
  const again = await device(alice.user);
  const bob = await gateway.online(gateway.name("bob"));
  const ring = next(bob, "ring");
  alice.offer(bob.user);
  const call = await ring;
  const asked = next(bob, "request", ({ path }) => path.startsWith("/calls/-"));
  const second = next(bob, "ring");
  const id = again.offer(bob.user);
  const { answer } = await asked;
  assert.equal(answer.call_id, id);
  assert.equal((await second).id, id);
  assert.equal(call.getSnapshot().reason, "replaced");
});

test("a call that ended while the connection was away is over", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"), { WebSocket: Cuttable });
  const ring = next(bob, "ring");
  const call_id = alice.offer(bob.user);
  const call = await ring;
  Cuttable.last.close();
  await until(bob, ({ state }) => state === "waiting");
  alice.send({ type: "end_call", target: bob.user, call_id, reason: "timeout" });
  assert.equal((await until(call, ended)).reason, "timeout");
});

test("without WebRTC a call fails with a sentence, and the caller is told", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"));
  const ring = next(bob, "ring");
  alice.offer(bob.user);
  const call = await ring;
  call.accept();
  const { reason, error } = await until(call, ended);
  assert.equal(reason, "failed");
  assert.match(error.message, /RTCPeerConnection/);
  await alice.receive((frame) => frame.type === "end_call" && frame.reason === "failed");
  assert.throws(() => bob.call(alice.user), /RTCPeerConnection/);
  assert.throws(() => bob.call(bob.user), TypeError);
});

test("older clients without ids ring, too", async () => {
  const alice = await device(gateway.name("alice"));
  const bob = await gateway.online(gateway.name("bob"));
  const ring = next(bob, "ring");
  alice.send({ type: "offer", target: bob.user, data: OFFER });
  const call = await ring;
  assert.match(call.id, /^s-/);
  alice.send({ type: "end_call", target: bob.user });
  assert.equal((await until(call, ended)).reason, "hangup");
  assert.ok(alice.frames.every(({ type }) => type !== "ringing"));
});

/** A WebSocket that a test can cut as a network would. */
class Cuttable extends (globalThis.WebSocket ?? Object) {
  static last;

  constructor(url) {
    super(url);
    Cuttable.last = this;
  }
}
