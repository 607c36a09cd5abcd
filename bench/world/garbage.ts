import { z } from 'zod';
import { KeymillError } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { pause } from '../../runtime/retry.ts';
import { tryGet } from '../../scripts/cluster/http.ts';
import { residentBytesOf } from './cpu.ts';

const ANSWER_TIMEOUT_MS = 20_000;
/** V8 returns pages to the system shortly after a collection. */
const GIVE_BACK_MS = 500;

const Targets = z.array(z.object({ webSocketDebuggerUrl: z.string() }));
/** An answer, which has the id of its question, or an event. */
const InspectorMessage = z.object({
  id: z.number().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
});
const HeapUsage = z.object({ usedSize: z.number(), backingStorageSize: z.number() });

/** The memory of a process after its garbage was collected, in bytes. */
export interface LiveMemory {
  /** Objects and their buffers. */
  readonly heap: number;
  readonly resident: number;
}

/** Environment of a Node process that {@link readLiveMemory} can read. Only this machine can inspect it. */
export function inspectableAt(port: number): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` };
}

/**
 * Makes a process collect all its garbage, and reads the memory that is left. Between two collections memory
 * rises and falls by more than any leak adds.
 * @param port see {@link inspectableAt}
 * @throws KeymillError when it does not answer in time
 */
export async function readLiveMemory(pid: number, port: number): Promise<LiveMemory> {
  const page = await tryGet(`http://127.0.0.1:${port}/json/list`, ANSWER_TIMEOUT_MS);
  const [target] = parseJsonAs(Targets, page?.body ?? '[]');
  if (target === undefined)
    throw new KeymillError('BENCH_FAILED', `process ${pid} cannot be inspected on port ${port}`);
  const inspector = new Inspector(target.webSocketDebuggerUrl);
  try {
    // The second collection frees the objects that the first one finalised.
    await inspector.ask('HeapProfiler.collectGarbage');
    await inspector.ask('HeapProfiler.collectGarbage');
    // Read before the pause, in which a mapper makes a few MiB of new garbage.
    const { usedSize, backingStorageSize } = HeapUsage.parse(await inspector.ask('Runtime.getHeapUsage'));
    await pause(GIVE_BACK_MS);
    return { heap: usedSize + backingStorageSize, resident: residentBytesOf(pid) };
  } finally {
    inspector.close();
  }
}

/** A small client of the Chrome DevTools Protocol, with one question at a time. */
class Inspector {
  readonly #socket: WebSocket;
  readonly #open: Promise<void>;
  #asked = 0;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#open = this.#next('open').then(() => undefined);
    this.#open.catch(() => undefined);
  }

  async ask(method: string): Promise<unknown> {
    await this.#open;
    const id = ++this.#asked;
    this.#socket.send(JSON.stringify({ id, method }));
    for (;;) {
      const { data } = (await this.#next('message')) as Event & { data: string };
      const answer = parseJsonAs(InspectorMessage, data);
      if (answer.id !== id) continue;
      if (answer.error !== undefined)
        throw new KeymillError('BENCH_FAILED', `${method}: ${answer.error.message}`);
      return answer.result;
    }
  }

  close(): void {
    this.#socket.close();
  }

  async #next(event: 'open' | 'message'): Promise<Event> {
    const { promise, resolve, reject } = Promise.withResolvers<Event>();
    const gone = (): void => reject(new KeymillError('BENCH_FAILED', 'an inspected process does not answer'));
    const timer = setTimeout(gone, ANSWER_TIMEOUT_MS);
    this.#socket.addEventListener(event, resolve, { once: true });
    this.#socket.addEventListener('close', gone, { once: true });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#socket.removeEventListener(event, resolve);
      this.#socket.removeEventListener('close', gone);
    }
  }
}
