import { Problem } from '../http/problem.ts';

/** People who post a picture, and those who look at a small one, do not wait for each other. */
const KINDS = ['check', 'thumbnail'] as const;

type Kind = (typeof KINDS)[number];

export interface Waiting<Task, Answer> {
  readonly task: Task;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Further ones are refused. A thumbnail holds its picture in memory while it waits. */
const MAX_WAITING: Readonly<Record<Kind, number>> = { check: 16, thumbnail: 8 };

const TOO_MANY: Readonly<Record<Kind, string>> = {
  check: 'Too many pictures are posted at this moment.',
  thumbnail: 'Too many pictures wait to be made smaller at this moment.',
};
/** For a client that is told to try again: the queue is shorter then. */
const RETRY_AFTER_S = '2';

/** The tasks that wait for the decoder, in a bounded queue for each kind. */
export class TaskQueues<Task extends { readonly kind: Kind }, Answer> {
  readonly #waitMs: number;
  readonly #waiting: Readonly<Record<Kind, Waiting<Task, Answer>[]>> = { check: [], thumbnail: [] };
  /** The kind whose turn it is comes first. */
  readonly #turns: Kind[] = [...KINDS];
  #closed: Error | undefined;

  /** @param waitMs how long a task may wait until it is shifted */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** @throws Problem 503 when too many wait, when it has waited too long, and after the queues were closed */
  async wait(task: Task): Promise<Answer> {
    const { kind } = task;
    const waiting = this.#waiting[kind];
    if (this.#closed !== undefined) throw this.#closed;
    if (waiting.length >= MAX_WAITING[kind]) throw tooMany(kind);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const at = waiting.findIndex((one) => one.timer === timer);
        if (at >= 0) waiting.splice(at, 1)[0]?.reject(tooMany(kind));
      }, this.#waitMs);
      waiting.push({ task, resolve, reject, timer });
    });
  }

  /** The queues take turns, so that a full one does not hold up the other. */
  shift(): Waiting<Task, Answer> | undefined {
    const kind = this.#turns.find((one) => this.#waiting[one].length > 0);
    if (kind === undefined) return undefined;
    this.#turns.splice(this.#turns.indexOf(kind), 1);
    this.#turns.push(kind);
    const next = this.#waiting[kind].shift();
    clearTimeout(next?.timer);
    return next;
  }

  /** Refuses all tasks that wait, and those that come later. */
  close(error: Error): void {
    this.#closed = error;
    for (const waiting of Object.values(this.#waiting))
      for (const { reject, timer } of waiting.splice(0)) {
        clearTimeout(timer);
        reject(error);
      }
  }
}

function tooMany(kind: Kind): Problem {
  return new Problem('overloaded', { detail: TOO_MANY[kind], headers: { 'Retry-After': RETRY_AFTER_S } });
}
