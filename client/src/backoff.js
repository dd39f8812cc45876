// How long to wait before trying again.

const FIRST = 1_000;
const LONGEST = 30_000;

/**
 * Milliseconds, half of them at random, so that a restarted server does not meet everybody at once.
 * @param {number} failures how many there were before this one
 * @param {any} [error] which may say a time of its own, in seconds
 */
export function pauseAfter(failures, error) {
  const pause = Math.min(FIRST * 2 ** failures, LONGEST) * (1 + Math.random()) / 2;
  return Math.max(pause, (error?.retryAfter ?? 0) * 1000);
}
