import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { AnnounceChange, AnnounceChanges, AnnouncedChange } from '../cache/announce-change.ts';
import { serverOf } from './list-links.ts';
import type { OwnLinksServer } from './own-links-server.ts';

export interface ChangeEachOptions<Result> {
  readonly servers: readonly OwnLinksServer[];
  readonly slotOf: (key: string) => number;
  readonly announceAll: AnnounceChanges;
  /** Changes one link, and calls `announce` if that is news. */
  readonly change: (key: string, announce: AnnounceChange) => Promise<Result>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What became of one link, or why that is not known. */
export type EachResult<Result> = { readonly result: Result } | { readonly error: unknown };

/**
 * Changes at a time on one server: half of its connections for single links, which other requests need too.
 */
const AT_ONCE = 2;
/** Links of which mappers hear together. One by one, each would wait for all mappers. */
const GROUP_KEYS = 100;
/** A server that has failed so often in a row is not asked again. */
const MAX_FAILURES = 3;
/** 1,000 changes take less than 2 s on two idle servers. */
const GIVE_UP_MS = 20_000;

/**
 * Changes many links, each by itself: what happens to one does not matter to another. A key that is named
 * twice is changed once. Returns when all mappers have heard, or half a second after the last change. Never
 * rejects.
 * @returns the result of each key, in their order
 */
export async function changeEach<Result extends { readonly announced?: AnnouncedChange | undefined }>(
  keys: readonly string[],
  { servers, slotOf, announceAll, change, now }: ChangeEachOptions<Result>,
): Promise<EachResult<Result>[]> {
  const news = new News(announceAll);
  const results = new Map<string, EachResult<Result>>();
  const giveUpMs = now() + GIVE_UP_MS;
  const byServer = Map.groupBy(new Set(keys), (key) => serverOf(servers, slotOf(key)));
  await Promise.all(
    Array.from(byServer, async ([{ db }, own]) => {
      const waiting = own.values();
      let failures = 0;
      const work = async (): Promise<void> => {
        for (const key of waiting) {
          const isHopeless = failures >= MAX_FAILURES || now() > giveUpMs;
          const changed = isHopeless
            ? { error: new StoreUnavailableError(db.name, 'it did not answer the changes before') }
            : await attempt(async () => change(key, news.add));
          failures = isAway(changed) ? failures + 1 : 0;
          results.set(key, changed);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    }),
  );
  const heard = await news.heard();
  return keys.map((key) => withNews(results.get(key) as EachResult<Result>, heard.get(key)));
}

async function attempt<Result>(change: () => Promise<Result>): Promise<EachResult<Result>> {
  try {
    return { result: await change() };
  } catch (error) {
    return { error };
  }
}

function isAway(changed: EachResult<unknown>): boolean {
  if (!('error' in changed)) return false;
  return changed.error instanceof StoreUnavailableError || changed.error instanceof OutcomeUnknownError;
}

function withNews<Result extends object>(
  changed: EachResult<Result>,
  announced: AnnouncedChange | undefined,
): EachResult<Result> {
  return 'error' in changed || announced === undefined
    ? changed
    : { result: { ...changed.result, announced } };
}

/** Collects changed keys, and announces them in groups while others are still being changed. */
class News {
  readonly #announceAll: AnnounceChanges;
  readonly #announced: Promise<readonly (readonly [key: string, heard: AnnouncedChange])[]>[] = [];
  #group: string[] = [];

  constructor(announceAll: AnnounceChanges) {
    this.#announceAll = announceAll;
  }

  /** Does not wait: {@link heard} does. */
  readonly add: AnnounceChange = async (key) => {
    this.#group.push(key);
    if (this.#group.length >= GROUP_KEYS) this.#send();
    return NOT_KNOWN_YET;
  };

  /** Who has heard of each key. */
  async heard(): Promise<ReadonlyMap<string, AnnouncedChange>> {
    if (this.#group.length > 0) this.#send();
    return new Map((await Promise.all(this.#announced)).flat());
  }

  #send(): void {
    const group = this.#group;
    this.#group = [];
    this.#announced.push(this.#announceAll(group).then((heard) => group.map((key) => [key, heard] as const)));
  }
}

const NOT_KNOWN_YET: AnnouncedChange = { isHeardByAll: false, othersMayLagMs: 0 };
