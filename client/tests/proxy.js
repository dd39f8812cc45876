// A proxy before the gateway that loses requests or their answers, as a network does.

import { createServer, request as requestOf } from "node:http";
import { connect } from "node:net";

/**
 * Starts one. `loses` is asked about each answer: `"all"` of it is lost, or what follows its `"head"`, or nothing. No
 * request gets through while `isShut`.
 * @param {string} target URL of the gateway
 * @param {(asked: { method: string, path: string, body: string }) => "all" | "head" | undefined} [loses]
 */
export async function startProxy(target, loses = () => undefined) {
  const { hostname, port } = new URL(target);
  const server = createServer(async (asked, answer) => {
    const body = await read(asked);
    if (proxy.isShut) return void asked.socket.destroy();
    const handed = requestOf({ hostname, port, method: asked.method, path: asked.url, headers: asked.headers });
    handed.on("error", () => asked.socket.destroy());
    handed.on("response", async (told) => {
      // The gateway has done what was asked, whatever comes of its answer.
      const text = await read(told);
      const lost = loses({ method: asked.method ?? "", path: asked.url ?? "", body });
      if (lost === "all") return void asked.socket.destroy();
      answer.writeHead(told.statusCode ?? 500, told.headers);
      if (lost === "head") answer.write(text.slice(0, text.length / 2), () => asked.socket.destroy());
      else answer.end(text);
    });
    handed.end(body);
  });
  server.on("upgrade", ({ method, url, rawHeaders }, socket) => {
    const other = connect(Number(port), hostname);
    const head = rawHeaders.map((part, index) => part + (index % 2 ? "\r\n" : ": ")).join("");
    other.write(`${method} ${url} HTTP/1.1\r\n${head}\r\n`);
    socket.pipe(other).pipe(socket);
    for (const [one, peer] of [[socket, other], [other, socket]]) one.on("error", () => peer.destroy());
  });
  await new Promise((resolve) => server.listen(0, "localhost", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const proxy = {
    isShut: false,
    url: `http://localhost:${address.port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return proxy;
}

/** @param {import("node:http").IncomingMessage} message */
async function read(message) {
  let text = "";
  for await (const part of message.setEncoding("utf8")) text += part;
  return text;
}
