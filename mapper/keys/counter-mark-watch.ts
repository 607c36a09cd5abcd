import type { CounterMarks } from '../../db/counter/counter-marks.ts';
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

  /** Reads it once. Never rejects: the poll of the users database logs that it does not answer. */
  async poll(timeoutMs: number): Promise<void> {
    const { marks, issued, canRaise, onGoneBack, log } = this.#options;
    try {
      const before = this.#known ?? 0;
      const mark = await marks.read({ timeoutMs });
      issued.recordCounter(this.saw(mark));
      if (mark >= before || !canRaise) return;
      onGoneBack();
      log.error({ mark, known: before }, 'users database: the mark of the counter has gone back, raising it');
      await marks.raiseTo(before);
    } catch {
      // See above.
    }
  }
}
