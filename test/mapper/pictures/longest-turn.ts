/** What some work costs this thread, in ms of processor time: how busy the machine is does not matter. */
export interface ThreadTime {
  readonly all: number;
  /** The most between two turns of others. */
  readonly longest: number;
}

async function timed<T>(work: () => Promise<T>): Promise<ThreadTime & { readonly result: T }> {
  const used = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  const began = used();
  let before = began;
  let longest = 0;
  let isOver = false;
  const turn = (): void => {
    const now = used();
    longest = Math.max(longest, now - before);
    before = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  turn();
  isOver = true;
  return { result, all: before - began, longest };
}

/**
 * The same for work that can be repeated: the attempt with the shortest turns. A turn of an attempt may also
 * have the garbage of all tests before it.
 * @param enoughMs no further attempt is needed below that
 */
export async function timedAtBest<T>(
  work: () => Promise<T>,
  enoughMs: number,
): Promise<ThreadTime & { readonly result: T }> {
  let best = await timed(work);
  for (let more = 4; more > 0 && best.longest >= enoughMs; more -= 1) {
    const next = await timed(work);
    if (next.longest < best.longest) best = next;
  }
  return best;
}
