// The frames of a call as docs/protocol.md shows them, sent and received by plain WebSockets.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startGateway } from "./gateway.js";

/** @type {Awaited<ReturnType<typeof startGateway>>} */
let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway.stop());

const document = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
const [, example] = /#### A call, frame by frame[^]*?```\n([^]*?)```/.exec(document) ?? [];

/** What a side has received and nobody has looked at yet. */
async function open() {
  const webSocket = new WebSocket(gateway.url.replace("http", "ws"));
  const frames = [];
  let heard = () => {};
  webSocket.onmessage = ({ data }) => (frames.push(JSON.parse(data)), heard());
  await new Promise((resolve) => (webSocket.onopen = resolve));
  return {
    send: (text) => webSocket.send(text),
    async receive() {
      while (!frames.length) await new Promise((resolve) => (heard = resolve));
      return frames.shift();
    },
    unread: () => frames,
    close: () => webSocket.close(),
  };
}

test("the call that the protocol document shows goes as it shows it", { timeout: 60_000 }, async () => {
  const sides = { Alice: await open(), Bob: await open() };
  try {
    const lines = example.split("\n").filter((line) => line);
    assert.ok(lines.length > 10);
    for (const line of lines) {
      const [, name, direction, frame] = /^(\w+) +([<>]) (.*)$/.exec(line);
      if (direction === ">") sides[name].send(frame);
      else assert.deepEqual(await sides[name].receive(), JSON.parse(frame), line);
    }
    for (const side of Object.values(sides)) assert.deepEqual(side.unread(), []);
  } finally {
    for (const side of Object.values(sides)) side.close();
  }
});
