import type { CounterMarks } from '../../db/counter/counter-marks.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { IssuedKeys } from './issued-keys.ts';

export interface CounterMarkWatchOptions {
  readonly marks: Pick<CounterMarks, 'read' | 'raiseTo'>;
  readonly issued: Pick<IssuedKeys, 'recordCounter'>;
  /** Whether this mapper raises a mark that has fallen: only one that gets its keys by counter. */
  readonly canRaise: boolean;
  readonly onGoneBack: () => void;
  readonly log: Log;
}

/**
 * The highest mark of the counter that this process has seen. A lower one is that of a users database that
 * was restored from an older copy: it is raised again, because the ids between are given out.
 */
export class CounterMarkWatch {
  readonly #options: CounterMarkWatchOptions;
  #known: number | undefined;
  /** Why it cannot be read or raised although the database answers. Undefined: it can. */
  #fault: string | undefined;

  constructor(options: CounterMarkWatchOptions) {
    this.#options = options;
  }

  /** Undefined: none was read yet. */
  get known(): number | undefined {
    return this.#known;
  }

  /** @returns the highest one, this one included */
  saw(mark: number): number {
    this.#known = Math.max(mark, this.#known ?? 0);
    return this.#known;
  }

  /**
   * Reads the mark, and says so when it has gone back. Who reads it raises it, or reserves ids past it.
   * @returns the highest one, and whether the one that was read is lower
   * @throws StoreUnavailableError, ImpossibleValueError
   */
  async read(timeoutMs?: number): Promise<{ readonly highest: number; readonly hasGoneBack: boolean }> {
    const { marks, canRaise, onGoneBack, log } = this.#options;
    // Before it is asked: meanwhile, this process may move it itself.
    const known = this.#known ?? 0;
    const mark = await marks.read(timeoutMs === undefined ? {} : { timeoutMs });
    const hasGoneBack = mark < known && canRaise;
    if (hasGoneBack) {
      onGoneBack();
      log.error({ mark, known }, 'users database: the mark of the counter has gone back, raising it');
    }
    return { highest: this.saw(mark), hasGoneBack };
  }

  /** Reads it once. Logs what only a person can mend, when it begins and when it is over. Never rejects. */
  async poll(timeoutMs: number): Promise<void> {
    const { marks, issued, log } = this.#options;
    try {
      const { highest, hasGoneBack } = await this.read(timeoutMs);
      issued.recordCounter(highest);
      if (hasGoneBack) await marks.raiseTo(highest);
      if (this.#fault !== undefined) log.info('the mark of the counter is used again');
      this.#fault = undefined;
    } catch (error) {
      // The poll of the users database notices and logs that it does not answer.
      if (error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError) return;
      const reason = messageOf(error);
      if (reason !== this.#fault)
        log.error(
          { reason },
          'the mark of the counter is not used until it is mended: migrate the users database',
        );
      this.#fault = reason;
    }
  }
}
