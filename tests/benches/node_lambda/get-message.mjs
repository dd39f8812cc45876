// GET /messages/{id}
import { serve } from './runtime.mjs';
import { connect, messageKey } from './store.mjs';

const redis = await connect();
await serve(async (event) => {
  const text = await redis.get(messageKey(event.pathParameters.id));
  if (text === null) return { statusCode: 404, body: '{"error":"Message not found"}' };
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: text };
});
