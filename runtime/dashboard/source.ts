import { messageOf } from '../errors.ts';
import { pollEvery } from '../polling.ts';
import { withDeadline } from '../retry.ts';
import type { Seen } from './seen.ts';

/** Reads a part of what is shown, from the moment it is opened until it is disposed of. */
export interface OpenSource extends AsyncDisposable {
  /** Resolves when the part has been told for the first time. */
  readonly first: Promise<void>;
}

/**
 * Opens a source.
 * @param tell gets what was read, whenever it was read
 * @param seen what all sources have told so far
 */
export type Source = (tell: (part: Seen) => void, seen: () => Seen) => OpenSource;

export interface Polling {
  readonly everyMs: number;
  /** Of one reading: what does not answer must not stop the source. */
  readonly deadlineMs: number;
  /** How a failed reading is told. Default: it is not. */
  readonly onFailed?: (reason: string) => Seen;
}

/** A source that reads again and again. @param close called once, when it reads no more */
export function pollingSource(
  polling: Polling,
  read: (seen: Seen, signal: AbortSignal) => Promise<Seen>,
  close: () => Promise<void> = async () => undefined,
): Source {
  const { everyMs, deadlineMs, onFailed } = polling;
  return (tell, seen) => {
    const stopping = new AbortController();
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const running = pollEvery(everyMs, stopping.signal, async () => {
      try {
        const part = await withDeadline(
          'a part of the dashboard',
          deadlineMs,
          async (signal) => read(seen(), signal),
          stopping.signal,
        );
        tell(part);
      } catch (error) {
        if (!stopping.signal.aborted && onFailed !== undefined) tell(onFailed(messageOf(error)));
      }
      resolve();
    });
    return {
      first,
      [Symbol.asyncDispose]: async () => {
        stopping.abort();
        await running;
        await close();
      },
    };
  };
}

/**
 * A source whose file is loaded when somebody looks. A file that cannot be loaded tells nothing, and then the
 * page says that it still reads.
 */
export function lazySource(load: () => Promise<Source>): Source {
  return (tell, seen) => {
    let isOver = false;
    const opening = (async () => {
      const source = await load().catch(() => undefined);
      return isOver ? undefined : source?.(tell, seen);
    })();
    return {
      first: opening.then(async (open) => open?.first),
      [Symbol.asyncDispose]: async () => {
        isOver = true;
        await (await opening)?.[Symbol.asyncDispose]();
      },
    };
  };
}
