// Lambda's loop without its runtime for Node, which would only add to the time: takes events, answers them.
import { Agent, request } from 'node:http';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, agent, method, path: `/2018-06-01/runtime${path}` }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ headers: response.headers, text: Buffer.concat(chunks).toString() });
    });
    asked.on('error', reject).end(body);
  });
}

export async function serve(handle) {
  for (;;) {
    const { headers, text } = await call('GET', '/invocation/next');
    const id = headers['lambda-runtime-aws-request-id'];
    try {
      await call('POST', `/invocation/${id}/response`, JSON.stringify(await handle(JSON.parse(text))));
    } catch (error) {
      await call('POST', `/invocation/${id}/error`, JSON.stringify({ errorMessage: String(error.stack) }));
    }
  }
}
