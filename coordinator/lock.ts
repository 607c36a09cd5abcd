import { randomUUID } from 'node:crypto';
import { isoNow } from '../runtime/clock.ts';
import { CoordinationError, isCoordinationError } from './errors.ts';
import { formatLock, parseLock, type LockHolder, type LockInfo } from './lock-holder.ts';
import { observe } from './observe.ts';
import { readNode } from './reading.ts';
import type { Node, Session } from './session.ts';

/**
 * A lock that this session holds. The ensemble decides whether it is held, not this object: `signal` is
 * aborted when the loss is known, and until then `mayWrite()` says whether the process may write now.
 */
export interface HeldLock {
  readonly path: string;
  /** The transaction that created the node. The stores order reigns by it. */
  readonly czxid: bigint;
  readonly nonce: string;
  /**
   * Aborted when the lock is lost for good: session expired or closed, node vanished or replaced, lock
   * released.
   */
  readonly signal: AbortSignal;
  /** Whether the session may write, and the node was found to be ours since the session was last attached. */
  mayWrite(): boolean;
  /** Adds the epoch to the node's data, for operators. */
  publishEpoch(epoch: number): Promise<void>;
  /** Deletes the node if it is still ours. At shutdown close the session instead. */
  release(): Promise<void>;
}

/** A node that has vanished before we read it is created again. This limits all creations together. */
const MAX_ATTEMPTS = 10;

/**
 * Takes the lock at `path` if it is free; does not wait.
 *
 * The answer of create() proves nothing: its reply may be lost, or it may run late. So the node is read, and
 * it is ours if our session owns it. That includes a node from an earlier attempt whose answer was lost.
 *
 * @throws CoordinationError NOT_CONNECTED or OUTCOME_UNKNOWN (sweepOwnNodes finds a node that is created
 *   afterwards); NO_NODE if the node vanishes each time
 */
export async function tryAcquire(
  session: Session,
  path: string,
  info: LockInfo,
): Promise<HeldLock | { readonly takenBy: LockHolder }> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const since = isoNow();
    const nonce = randomUUID();
    try {
      await session.create(path, formatLock(info, session.id, since, nonce), { ephemeral: true });
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) await session.ensurePath(parentOf(path));
      else if (!isCoordinationError(error, 'NODE_EXISTS')) throw error;
    }
    const { attachments } = session;
    const node = await readNode(session, path);
    if (node === undefined) continue;
    const holder = parseLock(node);
    if (node.stat.ephemeralOwner !== session.id) return { takenBy: holder };
    return new Held(
      session,
      path,
      { ...info, since: holder.since ?? since, nonce: holder.nonce ?? nonce },
      node,
      attachments,
    );
  }
  throw new CoordinationError('NO_NODE', `${path}: it vanishes as soon as it is created`);
}

/** Distinguishes the two answers of {@link tryAcquire}: true for the lock. */
export function isHeld(result: HeldLock | { readonly takenBy: LockHolder }): result is HeldLock {
  return !('takenBy' in result);
}

class Held implements HeldLock {
  readonly path: string;
  readonly czxid: bigint;
  readonly nonce: string;
  readonly #session: Session;
  readonly #info: LockInfo & { readonly since: string };
  readonly #over = new AbortController();
  readonly #observer: Disposable;
  /** The attachment of the session at which the node was last found to be ours. */
  #verifiedAt: number;
  #isReleasing = false;

  constructor(
    session: Session,
    path: string,
    info: LockInfo & { since: string; nonce: string },
    { stat }: Node,
    verifiedAt: number,
  ) {
    this.#session = session;
    this.path = path;
    this.czxid = stat.czxid;
    this.nonce = info.nonce;
    this.#info = info;
    this.#verifiedAt = verifiedAt;
    this.#observer = observe(session, (onChange) => this.#verify(onChange));
    if (session.ended.aborted) this.#end('its session has ended');
    else
      session.ended.addEventListener('abort', () => this.#end('its session has ended'), {
        once: true,
        signal: this.signal,
      });
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  mayWrite(): boolean {
    if (this.#isReleasing) return false;
    return this.#session.mayWrite() && !this.signal.aborted && this.#verifiedAt === this.#session.attachments;
  }

  async publishEpoch(epoch: number): Promise<void> {
    const { version } = await this.#getStat();
    const data = formatLock(this.#info, this.#session.id, this.#info.since, this.nonce, epoch);
    await this.#session.set(this.path, data, version);
  }

  async release(): Promise<void> {
    // The next holder may have the lock before we are notified that our node is gone.
    this.#isReleasing = true;
    try {
      if (!this.signal.aborted) await this.#remove();
    } catch (error) {
      if (!isCoordinationError(error, 'NO_NODE')) throw error;
    } finally {
      this.#end('released');
    }
  }

  async #remove(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { version } = await this.#getStat();
      try {
        return await this.#session.remove(this.path, version);
      } catch (error) {
        // An epoch that was on its way has been published in between.
        if (!isCoordinationError(error, 'BAD_VERSION') || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #verify(onChange: () => void): Promise<void> {
    const { attachments } = this.#session;
    const stat = await this.#session.exists(this.path, onChange);
    if (stat?.czxid !== this.czxid)
      this.#end(stat === undefined ? 'its node has vanished' : 'its node was replaced');
    else this.#verifiedAt = attachments;
  }

  /** The stat of the node. @throws CoordinationError NO_NODE if the node is no longer ours */
  async #getStat(): Promise<{ version: number }> {
    const stat = await this.#session.exists(this.path);
    if (stat?.czxid === this.czxid && stat.ephemeralOwner === this.#session.id) return stat;
    this.#end('its node is no longer ours');
    throw new CoordinationError('NO_NODE', `${this.path} is no longer ours`);
  }

  #end(why: string): void {
    this.#observer[Symbol.dispose]();
    this.#over.abort(new CoordinationError('NO_NODE', `lock ${this.path}: ${why}`));
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
