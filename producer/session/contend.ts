import { createHash } from 'node:crypto';
import type { MemberView } from '../../coordinator/overview/producer-member.ts';

/** Which free shards to try to take now. Pure. Where producers decide differently, the locks decide. */

export interface FreeShard {
  readonly shard: string;
  /** How long this producer has seen it free. */
  readonly freeForMs: number;
  /** For how long a failed attempt or our own hand-over still forbids taking it; 0 if nothing forbids it. */
  readonly blockedForMs: number;
}

export interface Contention {
  readonly self: MemberView;
  /** All members, including this one. */
  readonly members: readonly MemberView[];
  readonly free: readonly FreeShard[];
  /** How many shards the cluster has. */
  readonly shards: number;
  /** Shards this producer holds or is acquiring. */
  readonly holds: number;
  /** The shared assignment: shard → member id. */
  readonly assigned: ReadonlyMap<string, string>;
  readonly sessionTimeoutMs: number;
}

export interface ContentionDecision {
  readonly take: readonly string[];
  /** Time until another shard may be taken if nothing else changes, in ms; undefined if there is none. */
  readonly againInMs: number | undefined;
}

/** Delay per rank. Long enough for a producer of a lower rank to create its lock first. */
export const RANK_DELAY_MS = 60;

/** How long a producer waits for another one that should act but may be unable to: three session timeouts. */
export function longWaitMs(sessionTimeoutMs: number): number {
  return 3 * sessionTimeoutMs;
}

/**
 * Decides which free shards to take now.
 *
 * - The producer that a free shard is assigned to takes it immediately.
 * - Another producer below its fair share takes it after a delay by rank.
 * - Any producer below its capacity takes it after a long wait: those before it may not reach that keys-db.
 */
export function contend(contention: Contention): ContentionDecision {
  const { self, free } = contention;
  const take: string[] = [];
  let againInMs: number | undefined;
  const byPreference = [...free].sort((a, b) => delayOf(a, contention, 0) - delayOf(b, contention, 0));
  for (const candidate of byPreference) {
    const holds = contention.holds + take.length;
    if (holds >= self.capacity) break;
    const waitMs = Math.max(
      delayOf(candidate, contention, holds) - candidate.freeForMs,
      candidate.blockedForMs,
    );
    if (waitMs <= 0) take.push(candidate.shard);
    else againInMs = Math.min(againInMs ?? waitMs, waitMs);
  }
  return { take, againInMs };
}

function delayOf(candidate: FreeShard, contention: Contention, holds: number): number {
  const { self, members, assigned, sessionTimeoutMs } = contention;
  const canReach = !self.unreachable.includes(candidate.shard);
  const canAnyReach = members.some((m) => m.capacity > 0 && !m.unreachable.includes(candidate.shard));
  if (!canReach && canAnyReach) return longWaitMs(sessionTimeoutMs);
  if (assigned.get(candidate.shard) === self.id) return 0;
  if (holds >= fairShare(contention)) return longWaitMs(sessionTimeoutMs);
  return RANK_DELAY_MS * (1 + rankOf(self.id, candidate.shard, members));
}

/** The shards per producer, rounded up. Of the capacities, only 0 counts: such a producer has no share. */
function fairShare({ members, shards }: Contention): number {
  const able = members.filter((member) => member.capacity > 0).length;
  return Math.ceil(shards / Math.max(1, able));
}

/** Place of `id` in the rendezvous order of this shard: every producer computes the same order. */
function rankOf(id: string, shard: string, members: readonly MemberView[]): number {
  const own = weightOf(id, shard);
  return members.filter((member) => member.id !== id && weightOf(member.id, shard) > own).length;
}

function weightOf(id: string, shard: string): string {
  return createHash('sha1').update(`${shard}\0${id}`).digest('hex');
}
