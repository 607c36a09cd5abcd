import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { Problem } from '../http/problem.ts';

/** People who post a picture, and those who look at a small one, do not wait for each other. */
const KINDS = ['check', 'thumbnail'] as const;

type Kind = (typeof KINDS)[number];

export interface Waiting<Task, Answer> {
  readonly task: Task;
  /** Of the picture, or who looks at it. Undefined: somebody who is not known. */
  readonly owner: string | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  /** Of the wait for the decoder. */
  readonly deadline: AnswerDeadline;
}

/** Further ones are refused. A thumbnail holds its picture in memory while it waits. */
const MAX_WAITING: Readonly<Record<Kind, number>> = { check: 16, thumbnail: 8 };
/** Of one owner. A page of pictures asks for many small ones at once. */
const MAX_OF_OWNER: Readonly<Record<Kind, number>> = { check: 4, thumbnail: 8 };
/** Owners of whom is known when they had their last turn. */
const MAX_OWNERS = 1_000;

const TOO_MANY: Readonly<Record<Kind, string>> = {
  check: 'Too many pictures are posted at this moment.',
  thumbnail: 'Too many pictures wait to be made smaller at this moment.',
};
/** For a client that is told to try again: the queue is shorter then. */
const RETRY_AFTER_S = '2';

/**
 * The tasks that wait for the decoder, in a bounded queue for each kind. In each, owners take turns: whoever
 * had the last one longest ago comes first.
 */
export class TaskQueues<Task extends { readonly kind: Kind }, Answer> {
  readonly #waitMs: number;
  readonly #waiting: Readonly<Record<Kind, Waiting<Task, Answer>[]>> = { check: [], thumbnail: [] };
  /** The kind whose turn it is comes first. */
  readonly #turns: Kind[] = [...KINDS];
  /** The number of the last turn of an owner. */
  readonly #lastTurns = new BoundedCache<number>(MAX_OWNERS);
  #turn = 0;
  #closed: Error | undefined;

  /** @param waitMs how long a task may wait until it is shifted */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** @throws Problem 503 when too many wait, when it has waited too long, and after the queues were closed */
  async wait(task: Task, owner: string | undefined): Promise<Answer> {
    const { kind } = task;
    const waiting = this.#waiting[kind];
    if (this.#closed !== undefined) throw this.#closed;
    const ofOwner = owner === undefined ? 0 : waiting.filter((one) => one.owner === owner).length;
    if (waiting.length >= MAX_WAITING[kind] || ofOwner >= MAX_OF_OWNER[kind]) throw tooMany(kind);
    return new Promise((resolve, reject) => {
      const deadline = new AnswerDeadline(this.#waitMs, () => {
        const at = waiting.findIndex((one) => one.deadline === deadline);
        if (at >= 0) waiting.splice(at, 1)[0]?.reject(tooMany(kind));
      });
      waiting.push({ task, owner, resolve, reject, deadline });
    });
  }

  /** The queues take turns, so that a full one does not hold up the other. */
  shift(): Waiting<Task, Answer> | undefined {
    const kind = this.#turns.find((one) => this.#waiting[one].length > 0);
    if (kind === undefined) return undefined;
    this.#turns.splice(this.#turns.indexOf(kind), 1);
    this.#turns.push(kind);
    const waiting = this.#waiting[kind];
    const lastTurns = waiting.map(({ owner = '' }) => this.#lastTurns.get(owner) ?? 0);
    const [next] = waiting.splice(lastTurns.indexOf(Math.min(...lastTurns)), 1);
    next?.deadline.clear();
    this.#lastTurns.set(next?.owner ?? '', (this.#turn += 1));
    return next;
  }

  /** Refuses all tasks that wait, and those that come later. */
  close(error: Error): void {
    this.#closed = error;
    for (const waiting of Object.values(this.#waiting))
      for (const { reject, deadline } of waiting.splice(0)) {
        deadline.clear();
        reject(error);
      }
  }
}

function tooMany(kind: Kind): Problem {
  return new Problem('overloaded', { detail: TOO_MANY[kind], headers: { 'Retry-After': RETRY_AFTER_S } });
}
