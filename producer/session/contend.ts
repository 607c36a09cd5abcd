import { createHash } from 'node:crypto';
import type { MemberView } from './member.ts';

/** Which free shards to try now. Pure; the locks settle every disagreement between producers. */

export interface FreeShard {
  readonly shard: string;
  /** How long it has been free, seen from here. */
  readonly freeForMs: number;
  /** A failed attempt or a hand-over of our own forbids it for this long yet; 0: nothing does. */
  readonly blockedForMs: number;
}

export interface Contention {
  readonly self: MemberView;
  /** All members, this one included. */
  readonly members: readonly MemberView[];
  readonly free: readonly FreeShard[];
  /** How many shards the cluster has. */
  readonly shards: number;
  /** Shards this producer holds or is acquiring. */
  readonly holds: number;
  /** What the shared assignment gives each shard: shard → member id. */
  readonly assigned: ReadonlyMap<string, string>;
  readonly sessionTimeoutMs: number;
}

export interface ContentionDecision {
  readonly take: readonly string[];
  /** When a shard not taken now might become ours to take; undefined when none will by time alone. */
  readonly againInMs: number | undefined;
}

/** Per rank, so that the second choice comes when the first has had time to create its node. */
export const RANK_DELAY_MS = 60;

/** How long a producer waits for another one that should act and may be unable to. */
export function longWaitMs(sessionTimeoutMs: number): number {
  return 3 * sessionTimeoutMs;
}

/**
 * The preferred producer takes a free shard at once, others within their fair share after a delay by rank, and anyone
 * below capacity after three session timeouts (the preferred one may not reach that keys-db).
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
  const reachesIt = !self.unreachable.includes(candidate.shard);
  const someoneReachesIt = members.some((m) => m.capacity > 0 && !m.unreachable.includes(candidate.shard));
  if (!reachesIt && someoneReachesIt) return longWaitMs(sessionTimeoutMs);
  if (assigned.get(candidate.shard) === self.id) return 0;
  if (holds >= fairShare(contention)) return longWaitMs(sessionTimeoutMs);
  return RANK_DELAY_MS * (1 + rankOf(self.id, candidate.shard, members));
}

/** The rounded-up fair share of a producer, capacity aside. */
function fairShare({ members, shards }: Contention): number {
  const able = members.filter((member) => member.capacity > 0).length;
  return Math.ceil(shards / Math.max(1, able));
}

/** Place of `id` in the rendezvous order of this shard: the same on every producer, different for every shard. */
function rankOf(id: string, shard: string, members: readonly MemberView[]): number {
  const own = weightOf(id, shard);
  return members.filter((member) => member.id !== id && weightOf(member.id, shard) > own).length;
}

function weightOf(id: string, shard: string): string {
  return createHash('sha1').update(`${shard}\0${id}`).digest('hex');
}
