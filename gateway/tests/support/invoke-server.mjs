// A small server of the Lambda Invoke API, as `sam local start-lambda` is one: it runs handlers of Node by their names
// in the template. Arguments: NAME=FILE, each a function. It prints its port.

import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const handlers = new Map();
for (const argument of process.argv.slice(2)) {
  const [name, file] = argument.split("=");
  handlers.set(name, (await import(pathToFileURL(file))).handler);
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const name = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url)?.[1];
  const handler = handlers.get(name);
  if (request.method !== "POST" || !handler) {
    response.writeHead(404, { "content-type": "application/json" });
    return response.end(JSON.stringify({ Type: "User", Message: `Function not found: ${name}` }));
  }
  try {
    const answer = await handler(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? null));
  } catch (error) {
    response.writeHead(200, { "content-type": "application/json", "x-amz-function-error": "Unhandled" });
    response.end(JSON.stringify({ errorType: error.name, errorMessage: error.message }));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
