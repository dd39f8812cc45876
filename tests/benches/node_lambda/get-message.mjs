// GET /messages/{id}
import { serve } from './runtime.mjs';
import { connect } from './store.mjs';

const DIGITS = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

// The key of a message: 12 bits of its id name its slot, and all 128 are written in base64.
function key(id) {
  const hex = id.replaceAll('-', '');
  const slot = parseInt(hex.slice(13, 16), 16);
  let number = BigInt(`0x${hex}`);
  let short = '';
  for (let digit = 0; digit < 22; digit += 1, number >>= 6n) short = DIGITS[Number(number & 63n)] + short;
  return `m:{${DIGITS[slot >> 6]}${DIGITS[slot & 63]}}:${short}`;
}

const redis = await connect();
await serve(async (event) => {
  const text = await redis.get(key(event.pathParameters.id));
  if (text === null) return { statusCode: 404, body: '{"error":"Message not found"}' };
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: text };
});
