import { type LockHolder, parseLock } from '../../coordinator/lock-holder.ts';
import { observe } from '../../coordinator/observe.ts';
import { lockPath } from '../../coordinator/paths.ts';
import type { LastingSession } from '../stage/lasting-session.ts';

/** A time in which nobody held a shard, from the notice that its lock had gone to the sight of the next one. */
export interface Gap {
  readonly shard: string;
  readonly fromMs: number;
  /** Undefined while it lasts. */
  readonly toMs: number | undefined;
}

interface ShardState {
  holder: LockHolder | undefined;
  /** When ZooKeeper first told of a change since `holder` was read. */
  changedMs: number | undefined;
  openGap: { fromMs: number } | undefined;
}

/**
 * Watches /shard-locks over a session of its own, for every change of a holder.
 *
 * A lock may go and come back between a notice and the read that follows it; then its czxid tells, and the gap is counted from the
 * notice to that read: a few milliseconds too long, never too short. While the session is not connected nothing is seen: gaps that
 * touch such a time are counted from the last moment at which the lock was known to stand.
 */
export class LockWatch implements Disposable {
  readonly #now: () => number;
  readonly #shards = new Map<string, ShardState>();
  readonly #observers: Disposable[];
  readonly #gaps: Gap[] = [];
  readonly #onChange: (shard: string, holder: LockHolder | undefined) => void;

  constructor(
    session: LastingSession,
    shards: readonly string[],
    now: () => number,
    onChange: (shard: string, holder: LockHolder | undefined) => void,
  ) {
    this.#now = now;
    this.#onChange = onChange;
    this.#observers = shards.map((shard) => {
      const state: ShardState = { holder: undefined, changedMs: undefined, openGap: undefined };
      this.#shards.set(shard, state);
      return session.use((current) =>
        observe(current, async (changed) => {
          const node = await current.get(lockPath(shard), () => {
            state.changedMs ??= now();
            changed();
          });
          this.#saw(shard, state, node === undefined ? undefined : parseLock(node));
        }),
      );
    });
  }

  holderOf(shard: string): LockHolder | undefined {
    return this.#shards.get(shard)?.holder;
  }

  holders(): Map<string, LockHolder> {
    return new Map(
      [...this.#shards].flatMap(([shard, { holder }]) => (holder === undefined ? [] : [[shard, holder]])),
    );
  }

  /** All gaps that began at `fromMs` or later, the open ones last. */
  gapsSince(fromMs: number): Gap[] {
    const open = [...this.#shards].flatMap(([shard, { openGap }]) =>
      openGap === undefined ? [] : [{ shard, fromMs: openGap.fromMs, toMs: undefined }],
    );
    return [...this.#gaps, ...open].filter((gap) => gap.fromMs >= fromMs);
  }

  [Symbol.dispose](): void {
    for (const observer of this.#observers) observer[Symbol.dispose]();
  }

  #saw(shard: string, state: ShardState, holder: LockHolder | undefined): void {
    const now = this.#now();
    const changedMs = state.changedMs ?? now;
    state.changedMs = undefined;
    if (holder?.czxid === state.holder?.czxid) {
      if (holder !== undefined) state.holder = holder;
      return;
    }
    const fromMs = state.openGap?.fromMs ?? changedMs;
    if (holder === undefined) state.openGap = { fromMs };
    else {
      // The first holder that is seen ends no gap: nobody knows when that began.
      if (state.openGap !== undefined || state.holder !== undefined)
        this.#gaps.push({ shard, fromMs, toMs: now });
      state.openGap = undefined;
    }
    state.holder = holder;
    this.#onChange(shard, holder);
  }
}
