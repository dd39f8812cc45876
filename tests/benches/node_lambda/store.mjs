import Redis from 'ioredis';

export async function connect() {
  const tls = { ca: process.env.REDIS_TLS_CA };
  const redis = new Redis(process.env.REDIS_URL, { tls, lazyConnect: true, enableReadyCheck: false });
  await redis.connect();
  return redis;
}
