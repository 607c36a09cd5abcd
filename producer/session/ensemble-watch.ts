import { createEnsembleId, hasGoneBack, readEnsembleId } from '../../coordinator/ensemble.ts';
import { observe, type Observer } from '../../coordinator/observe.ts';
import type { Session } from '../../coordinator/session.ts';
import type { Bell } from '../bell.ts';
import type { Reachability } from '../reachability.ts';

/** The ensemble of a session, as last read. */
export interface EnsembleView {
  /** Undefined if it has none: it is new, or it was wiped. */
  readonly id: string | undefined;
  /** Keys-dbs that have recorded a lock from after the present state of the ensemble. */
  readonly goneBackFor: ReadonlySet<string>;
}

/**
 * Watches the id of the ensemble, and compares its transaction numbers with the locks that the keys-dbs have
 * recorded. An operator may adopt another id at any time, so nothing keeps an old one.
 *
 * A ZooKeeper without an id is either new, like all keys-dbs, or was wiped. A new one gets an id.
 */
export class EnsembleWatch implements Disposable {
  readonly #stack = new DisposableStack();
  readonly #observer: Observer;
  #view: EnsembleView | undefined;

  /** Starts watching. @param changed rung after every read */
  constructor(session: Session, reachability: Reachability, changed: Bell) {
    this.#observer = this.#stack.use(
      observe(session, async (onChange) => {
        const view = await readView(session, reachability, onChange);
        if (!view) return;
        this.#view = view;
        changed.ring();
      }),
    );
    this.#stack.use(reachability.observe(() => this.#observer.refresh()));
  }

  /** Undefined until it has been read. */
  get view(): EnsembleView | undefined {
    return this.#view;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** @returns undefined after it has given a new ensemble its id: the watch on it starts the next read */
async function readView(
  session: Session,
  reachability: Reachability,
  onChange: () => void,
): Promise<EnsembleView | undefined> {
  const id = await readEnsembleId(session, onChange);
  if (id === undefined && (await reachability.isPristine())) {
    await createEnsembleId(session);
    return undefined;
  }
  if (id === undefined) return { id, goneBackFor: new Set() };
  // First the records, then the number: a lock that was taken in between is no sign.
  const recorded = reachability.recordedLocks;
  const zxid = await session.currentZxid();
  const gone = recorded.filter(([, lock]) => hasGoneBack(lock, { id, zxid })).map(([shard]) => shard);
  return { id, goneBackFor: new Set(gone) };
}
