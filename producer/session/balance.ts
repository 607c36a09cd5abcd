import type { MemberView } from './member.ts';

/** Who asks for what, and who gives it back. Pure. Nobody seizes a shard, and nobody gives one back unasked. */

export interface BalanceView {
  readonly self: MemberView;
  /** All members, this one included. */
  readonly members: readonly MemberView[];
  /** What the shared assignment gives each shard: shard → member id. */
  readonly assigned: ReadonlyMap<string, string>;
  /** Owner of each lock that stands; a free shard is absent. */
  readonly owners: ReadonlyMap<string, string | null>;
}

/**
 * Shards to ask for: assigned to this producer, held by another member, their keys-db reachable from here, and no
 * more of them than this producer has room for.
 */
export function asksOf({ self, members, assigned, owners }: BalanceView): string[] {
  const share = [...assigned.values()].filter((id) => id === self.id).length;
  const room = Math.min(self.capacity, share) - self.owned.length;
  if (room <= 0) return [];
  const others = new Set(members.filter((member) => member.id !== self.id).map((member) => member.id));
  return [...assigned]
    .filter(
      ([shard, id]) => id === self.id && !self.owned.includes(shard) && !self.unreachable.includes(shard),
    )
    .map(([shard]) => shard)
    .filter((shard) => others.has(owners.get(shard) ?? ''))
    .sort()
    .slice(0, room);
}

/** The one shard to give back now: owned, assigned to another, asked for by exactly that one. */
export function giveBackOf({ self, members, assigned }: BalanceView): string | undefined {
  return [...self.owned].sort().find((shard) => {
    const heir = assigned.get(shard);
    if (heir === undefined || heir === self.id) return false;
    return members.some((member) => member.id === heir && member.asks.includes(shard));
  });
}

/** There is another member with room that reaches the keys-db of this shard. */
export function canAnotherReach({ self, members }: BalanceView, shard: string): boolean {
  return members.some(
    ({ id, unreachable, owned, capacity }) =>
      id !== self.id && !unreachable.includes(shard) && owned.length < capacity,
  );
}

/**
 * Paces hand-overs: one at a time, only while membership has been stable, and after one that the heir did not take,
 * a pause that doubles.
 */
export class HandOverPace {
  readonly #sessionTimeoutMs: number;
  #membership = '';
  #stableSinceMs: number;
  #failures = 0;
  #notBeforeMs = 0;

  constructor(sessionTimeoutMs: number, nowMs: number) {
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#stableSinceMs = nowMs;
  }

  /** Call with every membership seen: a change of who is there, or of a capacity, starts the stable time anew. */
  observe(members: readonly MemberView[], nowMs: number): void {
    const membership = members
      .map((member) => `${member.id}:${member.capacity}`)
      .sort()
      .join(' ');
    if (membership === this.#membership) return;
    this.#membership = membership;
    this.#stableSinceMs = nowMs;
  }

  mayGiveBack(nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs && nowMs - this.#stableSinceMs >= this.#sessionTimeoutMs;
  }

  /** The heir holds the shard. */
  succeeded(): void {
    this.#failures = 0;
    this.#notBeforeMs = 0;
  }

  /** The heir did not take it in time. */
  failed(nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#sessionTimeoutMs * 2 ** Math.min(this.#failures, 8);
    this.#failures += 1;
  }
}
