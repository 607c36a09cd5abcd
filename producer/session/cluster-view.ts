import { watchDrained } from '../../coordinator/drained.ts';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { watchLocks } from '../../coordinator/lock-view.ts';
import { watchMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { Bell } from '../bell.ts';
import { parseProducerMember, type MemberView } from '../../coordinator/overview/producer-member.ts';

/** Locks and members at about one moment. */
export interface ClusterSnapshot {
  /** All members; this producer, as handed in, is the first. */
  readonly members: readonly MemberView[];
  /** Owner of each lock; a free shard is absent. */
  readonly owners: ReadonlyMap<string, string | null>;
}

/** Remembers what became of the locks. */
export type OnLocks = (locks: ReadonlyMap<string, LockHolder>) => void;

/** What a session sees of the locks and the other producers, kept fresh by watches. */
export class ClusterView implements Disposable {
  readonly #watches = new DisposableStack();
  #locks: ReadonlyMap<string, LockHolder> | undefined;
  #members: ReadonlyMap<string, MemberView> | undefined;
  #isDrained: boolean | undefined;

  /**
   * Starts watching.
   * @param id of this producer
   * @param changed rung after every change
   * @param onLocks gets the locks whenever they were read
   */
  constructor(session: Session, id: string, changed: Bell, onLocks?: OnLocks) {
    this.#watches.use(
      watchLocks(session, (locks) => {
        this.#locks = locks;
        onLocks?.(locks);
        changed.ring();
      }),
    );
    this.#watches.use(
      watchMembers(session, PATHS.producers, parseProducerMember, (members) => {
        this.#members = members;
        changed.ring();
      }),
    );
    this.#watches.use(
      watchDrained(session, id, (isDrained) => {
        this.#isDrained = isDrained;
        changed.ring();
      }),
    );
  }

  /** Whether this producer is drained; undefined until that has been read once. */
  get isDrained(): boolean | undefined {
    return this.#isDrained;
  }

  /** The cluster as last seen; undefined until everything has been read once. */
  read(self: MemberView): ClusterSnapshot | undefined {
    const locks = this.#locks;
    if (!locks || !this.#members || this.#isDrained === undefined) return undefined;
    const owners = new Map([...locks].map(([shard, { owner }]) => [shard, owner]));
    // The list in a member's node may be older than the locks.
    const ownedBy = (id: string): string[] =>
      [...owners].flatMap(([shard, owner]) => (owner === id ? [shard] : []));
    const others = [...this.#members].filter(([id]) => id !== self.id);
    const members = [self, ...others.map(([id, member]) => ({ ...member, id, owned: ownedBy(id) }))];
    return { members, owners };
  }

  [Symbol.dispose](): void {
    this.#watches.dispose();
  }
}
