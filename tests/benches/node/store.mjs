// What the servers keep in the store: what the functions keep, by as many round trips, or as little as a chat can do with.
import { randomBytes } from 'node:crypto';
import { createClient } from 'redis';

// Enters a message for one of its users, and reads the user's connections.
const ENTER = `
local all, mine, other, conversations, gone, events, connections = unpack(KEYS)
local id, peer, tag, now = unpack(ARGV)
if redis.call('ZSCORE', gone, id) or redis.call('ZADD', all, 0, id) == 0 then return false end
local function last(index) return redis.call('ZRANGE', index, -1, -1)[1] or '' end
local before = last(mine) > last(other) and last(mine) or last(other)
redis.call('ZADD', mine, 0, id)
if before < id then
  if before ~= '' then redis.call('ZREM', conversations, before .. peer) end
  redis.call('ZADD', conversations, 0, id .. peer)
end
local latest = redis.call('LINDEX', events, -1)
local number = latest and tonumber(string.match(latest, '^%d+')) or 0
local event = string.format('%.0f-%s', number + 1, tag)
redis.call('RPUSH', events, event .. ' c ' .. id)
redis.call('LTRIM', events, -1000, -1)
return {event, redis.call('ZRANGEBYSCORE', connections, now, '+inf')}
`;

export async function openStore(url) {
  const redis = await createClient({ url }).connect();
  const enter = await redis.scriptLoad(ENTER);
  const connectionsOf = (user) => `user:{${user}}:connections`;
  return {
    // Each user of whom it is news, with the event's id and the connections to tell.
    async keep(message) {
      const { id, sender_id, receiver_id } = message;
      await Promise.all([
        redis.set(`message:{${id}}`, JSON.stringify(message), { NX: true }),
        redis.zAdd('timeline', { score: 0, value: id }, { NX: true }),
      ]);
      const sides = [[sender_id, receiver_id, 'to', 'from'], [receiver_id, sender_id, 'from', 'to']];
      return Promise.all(sides.map(async ([user, peer, mine, other]) => {
        const names = ['all', `${mine}:${peer}`, `${other}:${peer}`, 'conversations', 'gone', 'events'];
        const keys = [...names.map((name) => `user:{${user}}:${name}`), connectionsOf(user)];
        const given = [id, peer, randomBytes(4).toString('hex'), Date.now().toString()];
        const [event_id, connections] = await redis.evalSha(enter, { keys, arguments: given });
        return { user, event_id, connections };
      }));
    },
    // No index, no log, no claim: the message alone.
    async keepLeast(message) {
      await redis.set(`message:{${message.id}}`, JSON.stringify(message));
    },
    keepCall: (call) => redis.hSet(`call:{${call.id}}`, call),
    connections: (user) => redis.zRangeByScore(connectionsOf(user), Date.now(), '+inf'),
    register: (user, id) => redis.zAdd(connectionsOf(user), { score: Date.now() + 7_500_000, value: id }),
    forget: (user, id) => redis.zRem(connectionsOf(user), id),
  };
}
