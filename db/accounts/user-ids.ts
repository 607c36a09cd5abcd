import { randomInt } from 'node:crypto';

/** Ids count milliseconds from here. 41 bits of them end in the year 2095. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
const RANDOM_BITS = 22;

/**
 * A new id of a user: 41 bits of milliseconds, then 22 random bits. Ids are ordered by time and need no
 * counter that several databases would share. Two ids of one millisecond are the same once in 4 million; the
 * primary key refuses the second.
 * @throws RangeError when the clock is before 2026
 */
export function createUserId(nowMs: number): bigint {
  const ms = nowMs - EPOCH_MS;
  if (ms < 0) throw new RangeError('the clock of this machine is before 2026');
  return (BigInt(ms) << BigInt(RANDOM_BITS)) | BigInt(randomInt(2 ** RANDOM_BITS));
}
