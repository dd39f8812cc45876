// POST /messages in one plain Node process: the same commands to the store, the same two pushes.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import express from 'express';
import { createClient } from 'redis';
import { v7 as uuid } from 'uuid';
import { WebSocketServer } from 'ws';

const APPEND = `
local timeline, events, connections = KEYS[1], KEYS[2], KEYS[3]
local id, tag, now = ARGV[1], ARGV[2], ARGV[3]
if redis.call('ZADD', timeline, 'NX', 0, id) == 0 then return false end
local last = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
local n = last and tonumber(string.match(last[1], '^%d+')) or 0
local event = string.format('%.0f-%s', n + 1, tag)
redis.call('XADD', events, 'MAXLEN', '~', 1000, event, 'type', 'new_message', 'id', id)
return {event, redis.call('ZRANGEBYSCORE', connections, now, '+inf')}
`;

const redis = createClient({ url: process.argv[2] });
await redis.connect();
const append = await redis.scriptLoad(APPEND);

const isText = (value) => typeof value === 'string' && value !== '';

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.post('/messages', async (request, response) => {
  const { sender_id, receiver_id, content } = request.body ?? {};
  if (!isText(sender_id) || !isText(receiver_id) || !isText(content)) {
    return response.status(400).json({ error: 'sender_id, receiver_id, and content are required' });
  }
  const id = uuid();
  const created_at = new Date().toISOString();
  const message = { id, sender_id, receiver_id, content, created_at, updated_at: null };
  const [one, other] = [sender_id, receiver_id].sort();
  await Promise.all([
    redis.set(`message:{${id}}`, JSON.stringify(message), { NX: true }),
    redis.zAdd(`conversation:{${one},${other}}`, { score: 0, value: id }, { NX: true }),
    redis.zAdd('timeline', { score: 0, value: id }, { NX: true }),
  ]);
  const feeds = await Promise.all([sender_id, receiver_id].map((user) => {
    const keys = ['timeline', 'events', 'connections'].map((name) => `user:{${user}}:${name}`);
    const tag = randomBytes(8).readBigUInt64BE().toString();
    return redis.evalSha(append, { keys, arguments: [id, tag, Date.now().toString()] });
  }));
  for (const [event_id, connections] of feeds) {
    const frame = JSON.stringify({ type: 'new_message', data: message, event_id });
    for (const connection of connections) sockets.get(connection)?.send(frame);
  }
  response.status(201).json({ message: 'Message created', data: message });
});

const sockets = new Map();
const server = createServer(app);
new WebSocketServer({ server }).on('connection', (socket) => {
  const id = randomBytes(11).toString('base64url');
  sockets.set(id, socket);
  let user;
  socket.on('message', async (text) => {
    const frame = JSON.parse(text);
    if (frame.type !== 'register') return;
    user = frame.userKey;
    await redis.zAdd(`user:{${user}}:connections`, { score: Date.now() + 7_500_000, value: id });
    socket.send(JSON.stringify({ type: 'registered', userKey: user }));
  });
  socket.on('close', () => {
    sockets.delete(id);
    if (user) redis.zRem(`user:{${user}}:connections`, id);
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
// The process that started this ends it by closing its input.
process.stdin.on('end', () => process.exit()).resume();
