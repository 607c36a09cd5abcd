import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { ImpossibleValueError, requirePlausible } from '../../runtime/stored-values.ts';
import type { KeptMark } from '../keys-db/kept-marks.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import { openAlarms } from '../keys-db/write-offs.ts';
import type { UrlsDb } from '../urls/links.ts';
import { beatOf, type ServerMark } from '../urls/marks.ts';
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

/** The answer of a urls server, or why there is none. */
type Answer<T> = { readonly value: T } | { readonly silence: string };

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
  /** Servers whose mark is impossible. */
  readonly #impossible = new Set<string>();

  constructor(options: UrlsWatchOptions) {
    this.#options = options;
  }

  /**
   * Looks at every server, for a search: what was missing when the search read is judged by what a later look
   * finds. Looks and beats run one after another.
   *
   * @returns the servers that could not be judged, and why: their names, and what they did not answer
   * @throws FencedError; StoreUnavailableError when the keys-db does not answer; ImpossibleValueError when it
   *   holds an impossible mark
   */
  async look(): Promise<ReadonlyMap<string, string>> {
    return this.#next({ isBeat: false });
  }

  /** The same, and counts up the mark on every server. */
  async beat(): Promise<ReadonlyMap<string, string>> {
    return this.#next({ isBeat: true });
  }

  async #next(options: { readonly isBeat: boolean }): Promise<ReadonlyMap<string, string>> {
    const look = this.#last.then(() => this.#lookAtAll(options));
    this.#last = look.catch(() => undefined);
    return look;
  }

  async #lookAtAll({ isBeat }: { readonly isBeat: boolean }): Promise<ReadonlyMap<string, string>> {
    const { keysDb, urlsDbs, onAlarms } = this.#options;
    const { claimedTo } = await keysDb.ownership();
    // Before the servers are read: a mark of theirs that is lower than a kept one has gone back.
    const kept = await keysDb.keptMarks();
    const outcomes = await Promise.allSettled(
      urlsDbs.map(async (urlsDb) => {
        const silence = await this.#lookAt(urlsDb, { kept: kept.get(urlsDb.name), isBeat, claimedTo });
        return silence === undefined ? [] : [[urlsDb.name, silence] as const];
      }),
    );
    const silences = outcomes.flatMap((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    onAlarms(new Set(openAlarms((await keysDb.writeOffs()).writeOffs).keys()));
    return new Map(silences);
  }

  /** @returns why the server could not be judged */
  async #lookAt(urlsDb: UrlsDb, { kept, isBeat, claimedTo }: Look): Promise<string | undefined> {
    const { keysDb, epoch } = this.#options;
    const answer = await this.#ask(urlsDb, () => this.#markOf(urlsDb, kept));
    if ('silence' in answer) return answer.silence;
    const seen = answer.value;
    const change = judgeServer(kept, seen);
    await this.#record(urlsDb, change);
    let { beat } = seen;
    // A look alone writes a missing mark too: without it, the next look would find the server gone back.
    if (isBeat || beat === undefined) {
      const counted = { keysDb: keysDb.name, from: beat, claimedTo };
      const outcome = await this.#ask(urlsDb, () => urlsDb.countUp(counted));
      if ('value' in outcome) beat = outcome.value ?? beat;
    }
    if (beat === undefined) return 'it has no mark yet';
    if (change.kind !== 'same' || beat !== kept?.beat)
      await keysDb.keepMark({ epoch, urlsDb: urlsDb.name, mark: { ...seen, beat } });
    return undefined;
  }

  /**
   * Its mark. A server that has lost its incarnation gets a new one first: without one, nothing would show
   * that it is set up again.
   */
  async #markOf(urlsDb: UrlsDb, kept: KeptMark | undefined): Promise<ServerMark> {
    const { name } = this.#options.keysDb;
    let mark = await urlsDb.mark(name);
    if (mark.incarnation === '') {
      await urlsDb.ensureIncarnation();
      mark = await urlsDb.mark(name);
    }
    const { beat } = mark;
    if (beat !== undefined && kept !== undefined)
      requirePlausible(beat, kept.beat, { store: urlsDb.name, what: beatOf(name) });
    return mark;
  }

  /** A silent server must delay no other, so this does not throw. */
  async #ask<T>({ name }: UrlsDb, question: () => Promise<T>): Promise<Answer<T>> {
    const { log } = this.#options;
    try {
      const value = await question();
      if (this.#impossible.delete(name)) log.info({ urlsDb: name }, 'mark of a urls server used again');
      return { value };
    } catch (error) {
      const reason = messageOf(error);
      if (!(error instanceof ImpossibleValueError))
        log.debug({ urlsDb: name, reason }, 'mark of a urls server not read');
      else if (!this.#impossible.has(name)) {
        this.#impossible.add(name);
        log.error(
          { urlsDb: name, why: 'impossible', reason },
          'mark of a urls server not used until it is mended: no leaked key is recycled',
        );
      }
      return { silence: reason };
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
