import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { KeptMark } from '../keys-db/kept-marks.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import { openAlarms } from '../keys-db/write-offs.ts';
import type { UrlsDb } from '../urls/links.ts';
import { judgeServer, type ServerChange } from './server-change.ts';

export interface UrlsWatchOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  readonly urlsDbs: readonly UrlsDb[];
  readonly log: Log;
  /** Called after a change of this server was recorded. */
  readonly onChange: (urlsDb: string, kind: 'restarted' | 'gone-back') => void;
  /** Called after every look with the servers that have gone back and about which no operator has spoken. */
  readonly onAlarms: (urlsDbs: ReadonlySet<string>) => void;
}

interface Look {
  readonly kept: KeptMark | undefined;
  readonly isBeat: boolean;
  readonly claimedTo: number;
}

/**
 * Notices during one reign when a urls server has gone back to an earlier state or was restarted, and writes
 * off what is missing there (docs/decisions/0018).
 */
export class UrlsWatch {
  readonly #options: UrlsWatchOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UrlsWatchOptions) {
    this.#options = options;
  }

  /**
   * Looks at every server, for a search: what was missing when the search read is judged by what a later look
   * finds. Looks and beats run one after another.
   *
   * @returns the names of the servers that did not answer
   * @throws FencedError; StoreUnavailableError when the keys-db does not answer
   */
  async look(): Promise<string[]> {
    return this.#next({ isBeat: false });
  }

  /** The same, and counts up the mark on every server. */
  async beat(): Promise<string[]> {
    return this.#next({ isBeat: true });
  }

  async #next(options: { readonly isBeat: boolean }): Promise<string[]> {
    const look = this.#last.then(() => this.#lookAtAll(options));
    this.#last = look.catch(() => undefined);
    return look;
  }

  async #lookAtAll({ isBeat }: { readonly isBeat: boolean }): Promise<string[]> {
    const { keysDb, urlsDbs, onAlarms } = this.#options;
    const { claimedTo } = await keysDb.ownership();
    // Before the servers are read: a mark of theirs that is lower than a kept one has gone back.
    const kept = await keysDb.keptMarks();
    const outcomes = await Promise.allSettled(
      urlsDbs.map(async (urlsDb) => {
        const isAnswered = await this.#lookAt(urlsDb, { kept: kept.get(urlsDb.name), isBeat, claimedTo });
        return isAnswered ? [] : [urlsDb.name];
      }),
    );
    const silent = outcomes.flatMap((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    onAlarms(new Set(openAlarms((await keysDb.writeOffs()).writeOffs).keys()));
    return silent;
  }

  /** Returns false when the server did not answer. */
  async #lookAt(urlsDb: UrlsDb, { kept, isBeat, claimedTo }: Look): Promise<boolean> {
    const { keysDb, epoch } = this.#options;
    const seen = await this.#ask(urlsDb, () => urlsDb.mark(keysDb.name));
    if (seen === undefined) return false;
    const change = judgeServer(kept, seen);
    await this.#record(urlsDb, change);
    let { beat } = seen;
    // A look alone writes a missing mark too: without it, the next look would find the server gone back.
    if (isBeat || beat === undefined) {
      const counted = { keysDb: keysDb.name, from: beat, claimedTo };
      beat = (await this.#ask(urlsDb, () => urlsDb.countUp(counted))) ?? beat;
    }
    if (beat === undefined) return false;
    if (change.kind !== 'same' || beat !== kept?.beat)
      await keysDb.keepMark({ epoch, urlsDb: urlsDb.name, mark: { ...seen, beat } });
    return true;
  }

  /** The answer of a urls server; undefined when there is none. A silent server must delay no other. */
  async #ask<T>({ name }: UrlsDb, question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await question();
    } catch (error) {
      this.#options.log.debug({ urlsDb: name, reason: messageOf(error) }, 'mark of a urls server not read');
      return undefined;
    }
  }

  /** Before the new state is kept: the kept one is the only evidence of the change. */
  async #record({ name, slots }: UrlsDb, change: ServerChange): Promise<void> {
    if (change.kind !== 'restarted' && change.kind !== 'gone-back') return;
    const { keysDb, epoch, log, onChange } = this.#options;
    const { kind, reason } = change;
    const claimedTo = await keysDb.recordWriteOff({ urlsDb: name, slots, kind, reason }, epoch);
    const fields = { keysDb: keysDb.name, urlsDb: name, reason, claimedTo };
    if (kind === 'gone-back')
      log.error(
        fields,
        'a urls server has gone back to an earlier state: keys that are missing there are written off',
      );
    else log.info(fields, 'a urls server was restarted: keys that are missing there now are not recycled');
    onChange(name, kind);
  }
}
