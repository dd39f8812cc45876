// A chat in one plain Node process: POST /messages, pushes, offers.
//
// node server.mjs STORE_URL KIND, of which `plain` does what the functions do, `socket.io` does it with Socket.IO and its
// rooms, and `least` stores the message alone and sends it to whoever is connected here.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import express from 'express';
import { Server } from 'socket.io';
import { v7 as uuid } from 'uuid';
import { WebSocketServer } from 'ws';
import { openStore } from './store.mjs';

const [url, kind] = process.argv.slice(2);
const store = await openStore(url);
const app = express();
const server = createServer(app);
const isText = (value) => typeof value === 'string' && value !== '';

app.disable('x-powered-by');
app.use(express.json());
app.post('/messages', async (request, response) => {
  const { sender_id, receiver_id, content } = request.body ?? {};
  if (!isText(sender_id) || !isText(receiver_id) || !isText(content)) {
    return response.status(400).json({ error: 'sender_id, receiver_id, and content are required' });
  }
  const created_at = new Date().toISOString();
  const data = { id: uuid(), sender_id, receiver_id, content, created_at, updated_at: null };
  if (kind === 'least') {
    await store.keepLeast(data);
    for (const user of [sender_id, receiver_id]) pushHere(user, { type: 'new_message', data });
  } else {
    for (const { user, event_id, connections } of await store.keep(data)) {
      push(user, connections, { type: 'new_message', data, event_id });
    }
  }
  response.status(201).json({ message: 'Message created', data });
});

const sockets = new Map();
const usersHere = new Map();

function pushHere(user, frame) {
  const text = JSON.stringify(frame);
  for (const socket of usersHere.get(user) ?? []) socket.send(text);
}

function push(user, connections, frame) {
  if (kind === 'socket.io') return io.to(user).emit(frame.type, frame);
  const text = JSON.stringify(frame);
  for (const connection of connections) sockets.get(connection)?.send(text);
}

// An offer makes or changes a call; its end is told likewise.
async function signal(sender, frame) {
  const { type, target, call_id } = frame;
  const [connections] = await Promise.all([
    store.connections(target),
    store.keepCall({ id: call_id, sender, target, type }),
  ]);
  push(target, connections, { ...frame, sender });
}

const io = kind === 'socket.io' ? new Server(server) : null;
io?.on('connection', (socket) => {
  let user;
  socket.on('register', async (frame) => {
    user = frame.userKey;
    await Promise.all([socket.join(user), store.register(user, socket.id)]);
    socket.emit('registered', { type: 'registered', userKey: user });
  });
  for (const type of ['offer', 'end_call']) socket.on(type, (frame) => signal(user, frame));
  socket.on('disconnect', () => user && store.forget(user, socket.id));
});

if (!io) {
  new WebSocketServer({ server }).on('connection', (socket) => {
    const id = randomBytes(11).toString('base64url');
    sockets.set(id, socket);
    let user;
    socket.on('message', async (text) => {
      const frame = JSON.parse(text);
      if (frame.type !== 'register') return signal(user, frame);
      user = frame.userKey;
      usersHere.set(user, (usersHere.get(user) ?? new Set()).add(socket));
      await store.register(user, id);
      socket.send(JSON.stringify({ type: 'registered', userKey: user }));
    });
    socket.on('close', () => {
      sockets.delete(id);
      usersHere.get(user)?.delete(socket);
      if (user) store.forget(user, id);
    });
  });
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
// The process that started this ends it by closing its input.
process.stdin.on('end', () => process.exit()).resume();
