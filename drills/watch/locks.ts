import { type LockHolder, parseLock } from '../../coordinator/lock-holder.ts';
import { observe } from '../../coordinator/observe.ts';
import { lockPath } from '../../coordinator/paths.ts';
import type { ReopeningSession } from '../cluster/reopening-session.ts';
import type { Gap } from '../history/measurements.ts';

interface ShardState {
  holder: LockHolder | undefined;
  /** When ZooKeeper first notified us of a change after `holder` was read. */
  changedMs: number | undefined;
  openGap: { fromMs: number } | undefined;
}

/**
 * Watches /shard-locks for every change of a holder, and measures the gaps between holders.
 *
 * A lock may be deleted and created again between a notice and the read that follows it. The czxid shows
 * that, and the gap is measured from the notice to the read: a few milliseconds too long, never too short.
 * While the session is not connected, the watch sees nothing: a gap that begins then is measured from the
 * first read after the reconnect, which is too short.
 */
export class LockWatch implements Disposable {
  readonly #now: () => number;
  readonly #shards = new Map<string, ShardState>();
  readonly #observers: Disposable[];
  readonly #gaps: Gap[] = [];
  readonly #onChange: (shard: string, holder: LockHolder | undefined) => void;

  constructor(
    session: ReopeningSession,
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

  /** All gaps that began at `fromMs` or later, open ones last. */
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
      // The first holder that we see ends no gap, because we do not know when that gap began.
      if (state.openGap !== undefined || state.holder !== undefined)
        this.#gaps.push({ shard, fromMs, toMs: now });
      state.openGap = undefined;
    }
    state.holder = holder;
    this.#onChange(shard, holder);
  }
}
