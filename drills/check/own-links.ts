import type {
  ChangeEntry,
  FollowEntry,
  HistoryEntry,
  OwnLinkState,
  OwnReadEntry,
} from '../history/history.ts';
import type { OwnLinkCounts } from '../report.ts';
import { MAX_SENTENCES } from './tally.ts';

export interface OwnLinksVerdict extends OwnLinkCounts {
  /** At most 20 sentences. */
  readonly violations: readonly string[];
}

/** Times in a history are rounded to microseconds, so that two of them add up with this error at most. */
const ROUNDING_MS = 0.002;

interface LinkHistory {
  readonly changes: ChangeEntry[];
  readonly reads: OwnReadEntry[];
  readonly follows: FollowEntry[];
}

/**
 * Judges what clients saw of links that were made, changed, deleted, restored and pruned. Every change names
 * the version that it changes and makes the next one of it, so the versions of a link are a chain:
 *
 * - Two acknowledged changes of one version: the first one was lost. Two links with one key: it was given
 *   again.
 * - A read sent after an acknowledged change shows its version or a later one. So does a redirect, once the
 *   time is over that the answer to the change gave to mappers that had not heard.
 * - A change without an answer may have happened or not, unless an acknowledged one or a read says which
 *   change made its version. One that was refused is never seen.
 *
 * Takes entries in any order.
 */
export class OwnLinksKeeper {
  readonly #links = new Map<string, LinkHistory>();
  /** Keys that were acknowledged for links without an owner. */
  readonly #others = new Set<string>();
  readonly #violations: string[] = [];
  readonly #counts = {
    links: 0,
    changes: 0,
    acked: 0,
    refused: 0,
    unknown: 0,
    unheard: 0,
    follows: 0,
    followsFailed: 0,
    oldStates: 0,
    wrongTargets: 0,
    lostUpdates: 0,
    givenAgain: 0,
  };

  add(entry: HistoryEntry): void {
    if (entry.op === 'change') this.#linkOf(entry).changes.push(entry);
    else if (entry.op === 'own-read') this.#linkOf(entry).reads.push(entry);
    else if (entry.op === 'follow') this.#linkOf(entry).follows.push(entry);
    else if (entry.op === 'shorten' && entry.outcome === 'acked' && entry.key !== undefined)
      this.#others.add(entry.key);
  }

  /** The keys of all own links. */
  get keys(): ReadonlySet<string> {
    return new Set(this.#links.keys());
  }

  /** Call it once, after the last entry. */
  result(): OwnLinksVerdict {
    for (const [key, link] of this.#links) this.#judge(key, link);
    return { ...this.#counts, violations: this.#violations };
  }

  #linkOf({ key }: { readonly key: string }): LinkHistory {
    let link = this.#links.get(key);
    if (link === undefined) this.#links.set(key, (link = { changes: [], reads: [], follows: [] }));
    return link;
  }

  #judge(key: string, { changes, reads, follows }: LinkHistory): void {
    this.#counts.links += 1;
    for (const { outcome, lagMs = 0 } of changes) {
      this.#counts.changes += 1;
      this.#counts[outcome] += 1;
      if (lagMs > 0) this.#counts.unheard += 1;
    }
    if (this.#others.has(key)) this.#givenAgain(key);
    const chain = new Chain(changes, reads);
    for (const [first, second] of chain.doubled) this.#report(key, first, second);
    for (const version of chain.unmade) this.#lost(`${key}: no change made version ${version}`);
    this.#judgeReads(key, chain, reads);
    this.#judgeFollows(key, chain, follows);
  }

  #report(key: string, first: ChangeEntry, second: ChangeEntry): void {
    if (first.base === 0) this.#givenAgain(key);
    else this.#lost(`${key}: two changes of version ${first.base}, to ${named(first)} and ${named(second)}`);
  }

  #judgeReads(key: string, chain: Chain, reads: readonly OwnReadEntry[]): void {
    const bounds = new Bounds(chain.acked, () => 0);
    for (const read of reads.toSorted(byTime)) {
      const least = bounds.at(read.at);
      const isMade = chain.made(read.version).some((change) => shows(change, read, read.state));
      if (read.version < least)
        this.#lost(`${key}: version ${read.version} was read after version ${least} was acknowledged`);
      else if (!isMade) this.#lost(`${key}: version ${read.version} was read, and no change made it so`);
    }
  }

  #judgeFollows(key: string, chain: Chain, follows: readonly FollowEntry[]): void {
    const bounds = new Bounds(chain.acked, ({ lagMs = 0 }) => lagMs);
    for (const follow of follows.toSorted(byTime)) {
      this.#counts.follows += 1;
      if (follow.saw === 'nothing') this.#counts.followsFailed += 1;
      else this.#judgeFollow(key, chain, follow, bounds.at(follow.at));
    }
  }

  #judgeFollow(key: string, chain: Chain, follow: FollowEntry, least: number): void {
    const { saw, via, at } = follow;
    const possible = chain.showing(saw).filter((change) => shows(change, follow));
    if (possible.some(({ base }) => base + 1 >= least)) return;
    const where = `at ${Math.round(at)} ms, through ${via}`;
    if (possible.length === 0) {
      this.#counts.wrongTargets += 1;
      this.#say(`${key} led to ${saw}, which it never was, ${where}`);
    } else {
      this.#counts.oldStates += 1;
      this.#say(`${key} led to ${saw}, after version ${least} was acknowledged, ${where}`);
    }
  }

  #lost(sentence: string): void {
    this.#counts.lostUpdates += 1;
    this.#say(sentence);
  }

  #givenAgain(key: string): void {
    this.#counts.givenAgain += 1;
    this.#say(`${key} was given to a second link`);
  }

  #say(sentence: string): void {
    if (this.#violations.length < MAX_SENTENCES) this.#violations.push(sentence);
  }
}

/** The changes of one link that may have happened, by the version that each made. */
class Chain {
  readonly acked: readonly ChangeEntry[];
  /** Pairs of acknowledged changes of one version. */
  readonly doubled: readonly (readonly [ChangeEntry, ChangeEntry])[];
  /** Versions before the last known one that no change can have made. */
  readonly unmade: readonly number[];
  readonly #byVersion: Map<number, ChangeEntry[]>;
  readonly #byView: ReadonlyMap<number | string, readonly ChangeEntry[]>;

  constructor(changes: readonly ChangeEntry[], reads: readonly OwnReadEntry[]) {
    this.acked = changes.filter(({ outcome }) => outcome === 'acked');
    const ackedOf = Map.groupBy(this.acked, versionOf);
    this.doubled = [...ackedOf.values()].flatMap(([first, ...others]) =>
      first === undefined ? [] : others.map((second) => [first, second] as const),
    );
    const open = changes.filter((one) => one.outcome === 'unknown' && !ackedOf.has(versionOf(one)));
    this.#byVersion = Map.groupBy([...this.acked, ...open], versionOf);
    for (const read of reads) this.#settle(read);
    const possible = [...this.#byVersion.values()].flat();
    this.#byView = Map.groupBy(possible, ({ becomes }) => (becomes.isDeleted ? 'deleted' : becomes.target));
    const last = Math.max(0, ...this.acked.map(versionOf), ...reads.map(({ version }) => version));
    this.unmade = Array.from({ length: last }, (_, at) => at + 1).filter(
      (version) => this.made(version).length === 0,
    );
  }

  /** The changes that may have made this version. */
  made(version: number): readonly ChangeEntry[] {
    return this.#byVersion.get(version) ?? [];
  }

  /** The changes after which the link may lead there. */
  showing(view: number | string): readonly ChangeEntry[] {
    return this.#byView.get(view) ?? [];
  }

  /** A read tells which of several changes without an answer has happened. */
  #settle(read: OwnReadEntry): void {
    const matching = this.made(read.version).filter((change) => shows(change, read, read.state));
    if (matching.length > 0) this.#byVersion.set(read.version, matching);
  }
}

/** The version that is certain for requests sent at a time. Ask for rising times. */
class Bounds {
  readonly #certain: { readonly fromMs: number; readonly version: number }[];
  #next = 0;
  #least = 0;

  constructor(acked: readonly ChangeEntry[], lagOf: (change: ChangeEntry) => number) {
    this.#certain = acked
      .map((change) => ({
        fromMs: change.at + change.ms + lagOf(change) + ROUNDING_MS,
        version: versionOf(change),
      }))
      .sort((a, b) => a.fromMs - b.fromMs);
  }

  at(ms: number): number {
    for (; (this.#certain[this.#next]?.fromMs ?? Infinity) <= ms; this.#next += 1)
      this.#least = Math.max(this.#least, this.#certain[this.#next]?.version ?? 0);
    return this.#least;
  }
}

function versionOf({ base }: ChangeEntry): number {
  return base + 1;
}

/** Whether an answer can show this change: it was sent before the answer came, and leaves this state. */
function shows(
  { at, becomes }: ChangeEntry,
  seen: { readonly at: number; readonly ms: number },
  state: OwnLinkState = becomes,
): boolean {
  const isSame = becomes.target === state.target && becomes.isDeleted === state.isDeleted;
  return isSame && at <= seen.at + seen.ms + ROUNDING_MS;
}

function byTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}

function named({ kind, becomes }: ChangeEntry): string {
  return kind === 'edit' ? `target ${becomes.target}` : kind;
}
