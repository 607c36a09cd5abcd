import type { MemberView } from '../../coordinator/overview/producer-member.ts';

/** Which producer asks for which shard, and which gives it back on request. Pure. */

export interface BalanceView {
  readonly self: MemberView;
  /** All members, including this one. */
  readonly members: readonly MemberView[];
  /** The shared assignment: shard → member id. */
  readonly assigned: ReadonlyMap<string, string>;
  /** Owner of each lock; a free shard is absent. */
  readonly owners: ReadonlyMap<string, string | null>;
}

/**
 * Shards to ask for: assigned to this producer, held by another member, with a keys-db that this producer
 * reaches; and no more of them than it has room for.
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

/** The one shard to give back now: owned by this producer, and assigned to another that asks for it. */
export function giveBackOf({ self, members, assigned }: BalanceView): string | undefined {
  return [...self.owned].sort().find((shard) => {
    const heir = assigned.get(shard);
    if (heir === undefined || heir === self.id) return false;
    return members.some((member) => member.id === heir && member.asks.includes(shard));
  });
}

/** Whether another member has room for this shard and reaches its keys-db. */
export function canAnotherReach({ self, members }: BalanceView, shard: string): boolean {
  return members.some(
    ({ id, unreachable, owned, capacity }) =>
      id !== self.id && !unreachable.includes(shard) && owned.length < capacity,
  );
}

/**
 * Paces hand-overs: one at a time, and only when the membership has been stable for a session timeout. After
 * a hand-over that the heir did not take there is a pause, which doubles each time.
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

  /** Call with every look at the members. A new, lost or changed one restarts the stable time. */
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

  /** The heir has taken the shard. */
  succeeded(): void {
    this.#failures = 0;
    this.#notBeforeMs = 0;
  }

  /** The heir has not taken the shard in time. */
  failed(nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#sessionTimeoutMs * 2 ** Math.min(this.#failures, 8);
    this.#failures += 1;
  }
}
