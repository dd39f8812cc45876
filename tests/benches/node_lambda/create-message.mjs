// POST /messages: the message is stored and entered with both users, who are then pushed a frame each.
import {
  ApiGatewayManagementApiClient, PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { Agent } from 'node:https';
import { v7 as uuid } from 'uuid';
import { serve } from './runtime.mjs';
import { connect, messageKey } from './store.mjs';

const ENTER = `
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('LTRIM', KEYS[3], -1000, -1)
return redis.call('ZRANGEBYSCORE', KEYS[4], ARGV[2], '+inf')
`;

const isText = (value) => typeof value === 'string' && value !== '';

const redis = await connect();
redis.defineCommand('enter', { numberOfKeys: 4, lua: ENTER });
const management = new ApiGatewayManagementApiClient({
  endpoint: process.env.MANAGEMENT_ENDPOINT,
  requestHandler: { httpsAgent: new Agent({ keepAlive: true, rejectUnauthorized: false }) },
});

await serve(async (event) => {
  const { sender_id, receiver_id, content } = JSON.parse(event.body ?? '{}');
  if (!isText(sender_id) || !isText(receiver_id) || !isText(content)) {
    return { statusCode: 400, body: '{"error":"sender_id, receiver_id, and content are required"}' };
  }
  const id = uuid();
  const message = { id, sender_id, receiver_id, content, created_at: new Date().toISOString(), updated_at: null };
  await redis.set(messageKey(id), JSON.stringify(message), 'NX');
  const entered = await Promise.all([sender_id, receiver_id].map((user) => {
    const name = encodeURIComponent(user);
    const of = (what) => `u:{${name}}:${what}`;
    return redis.enter(of('all'), of('to:peer'), of('peer-events'), of('connections'), id, Date.now());
  }));
  const Data = JSON.stringify({ type: 'new_message', data: message, event_id: `1-${id}` });
  // The id follows a mark of the entry.
  await Promise.all(entered.flat().map((ConnectionId) => (
    management.send(new PostToConnectionCommand({ ConnectionId: ConnectionId.slice(-16), Data }))
  )));
  return {
    statusCode: 201,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ message: 'Message created', data: message }),
  };
});
