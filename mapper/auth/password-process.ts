import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { Problem } from '../http/problem.ts';

/** People who sign in, who follow a link with a password, and who make one do not wait for each other. */
const QUEUES = ['sign-ins', 'link-compares', 'link-hashes'] as const;

type Queue = (typeof QUEUES)[number];

/**
 * With `stored`: compare. Without: hash, unless the password is a common one. With `next`: compare, then hash
 * the next one, so that who changes a password waits once.
 */
export interface PasswordTask {
  readonly queue: Queue;
  /** For whom it is. In a full queue, who has most there gives way to others. */
  readonly who?: string | undefined;
  readonly password: string;
  readonly stored?: string;
  readonly next?: string;
  /** Hash also a common one. */
  readonly mayBeCommon?: true;
}

export type PasswordAnswer =
  | { readonly isRight: boolean }
  | { readonly isCommon: true }
  | { readonly hash: string }
  | { readonly failure: string };

interface Waiting {
  readonly task: PasswordTask;
  readonly resolve: (answer: PasswordAnswer) => void;
  readonly reject: (error: Error) => void;
  /** Of the wait for the child. */
  readonly deadline: AnswerDeadline;
}

/**
 * Further ones are refused. One takes some 20 ms on an idle machine, the child rests for three times as long,
 * and the queues take turns. So the last one waits for 1.3 s, or up to 3.2 s beside full queues.
 */
const MAX_WAITING: Readonly<Record<Queue, number>> = {
  'sign-ins': 16,
  'link-compares': 16,
  'link-hashes': 8,
};
/** For a client that is told to try again: the queue is shorter then. */
const RETRY_AFTER_S = '2';

/**
 * How a child shares the machine, from the least: only what nobody else needs, the lowest priority, or like
 * any other process.
 */
const PRIORITIES = ['idle', 'lowest', 'ordinary'] as const;

export type PasswordPriority = (typeof PRIORITIES)[number];

export interface PasswordTimes {
  /** How long a task waits for the child before it is refused. */
  readonly waitMs: number;
  /**
   * How long a child of each priority may work on a task. Then the machine has no time for it, or it hangs:
   * one of the next priority replaces it and gets the same task. After the last one the task is refused.
   */
  readonly answerMs: Readonly<Record<PasswordPriority, number>>;
}

/**
 * Together they are shorter than the time that our haproxy gives to an answer: 15 s. Who waits behind a task
 * that gets no time is still served by the child of ordinary priority.
 */
const TIMES: PasswordTimes = { waitMs: 5_000, answerMs: { idle: 1_000, lowest: 2_000, ordinary: 6_000 } };

/** After a machine had no time for a child, the next ones keep their higher priority for so long. */
const BUSY_MS = 60_000;

/**
 * The child process that works on passwords, one at a time. It starts with the first password, and again
 * after it has died.
 *
 * It runs when the machine is idle: beside a process of the lowest priority, the slowest of 100 redirects
 * took five times as long. A busy machine is never idle, so people would not get in there: then it has the
 * lowest priority instead. Beside six busy processes for each core even that is nothing (0.25 % of a core),
 * so then it is like any other process; it rests most of the time.
 */
export class PasswordProcess {
  readonly #log: Log;
  readonly #times: PasswordTimes;
  readonly #waiting: Readonly<Record<Queue, Waiting[]>> = {
    'sign-ins': [],
    'link-compares': [],
    'link-hashes': [],
  };
  /** The queue whose turn it is comes first. */
  readonly #turns: Queue[] = [...QUEUES];
  #child: ChildProcess | undefined;
  #current: Waiting | undefined;
  #deadline: AnswerDeadline | undefined;
  /** Of the child, or of the next one. */
  #priority: PasswordPriority = 'idle';
  /** Until then the machine counts as busy, and children keep their priority. Monotonic. */
  #busyUntilMs = 0;
  #isClosed = false;

  /** @param times only tests have others */
  constructor(log: Log, times: PasswordTimes = TIMES) {
    this.#log = log;
    this.#times = times;
  }

  /** @throws Problem 503 when too many wait, when it has waited too long, and when the child died over it */
  async run(task: PasswordTask): Promise<PasswordAnswer> {
    const { queue } = task;
    const waiting = this.#waiting[queue];
    if (this.#isClosed || (waiting.length >= MAX_WAITING[queue] && !giveWay(waiting, task)))
      throw tooMany(queue);
    return new Promise((resolve, reject) => {
      const deadline = new AnswerDeadline(this.#times.waitMs, () => this.#refuse(queue, deadline));
      waiting.push({ task, resolve, reject, deadline });
      this.#next();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#child?.removeAllListeners();
    this.#child?.kill('SIGKILL');
    this.#fail('the mapper stops');
    for (const waiting of Object.values(this.#waiting))
      for (const { reject, deadline } of waiting.splice(0)) {
        deadline.clear();
        reject(gone('the mapper stops'));
      }
  }

  /** A task has waited too long. */
  #refuse(queue: Queue, deadline: AnswerDeadline): void {
    const waiting = this.#waiting[queue];
    const at = waiting.findIndex((one) => one.deadline === deadline);
    if (at >= 0) waiting.splice(at, 1)[0]?.reject(tooMany(queue));
  }

  /** The queues take turns, so that a full one does not hold up the others. */
  #shift(): Waiting | undefined {
    const queue = this.#turns.find((one) => this.#waiting[one].length > 0);
    if (queue === undefined) return undefined;
    this.#turns.splice(this.#turns.indexOf(queue), 1);
    this.#turns.push(queue);
    return this.#waiting[queue].shift();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    this.#current = this.#shift();
    if (this.#current === undefined) return;
    this.#current.deadline.clear();
    if (this.#priority !== 'idle' && monotonicMs() >= this.#busyUntilMs) this.#restart(-1);
    this.#begin(this.#current.task);
  }

  #begin(task: PasswordTask): void {
    this.#child ??= this.#start();
    hold(this.#child);
    this.#child.send(task);
    this.#deadline = new AnswerDeadline(this.#times.answerMs[this.#priority], () => this.#hurry(task));
  }

  /** The child has had too little time for the task, or hangs. */
  #hurry(task: PasswordTask): void {
    if (this.#priority === 'ordinary') {
      this.#child?.kill('SIGKILL');
      return;
    }
    this.#restart(1);
    this.#begin(task);
  }

  /** @param steps by how many priorities the next child is above this one */
  #restart(steps: 1 | -1): void {
    this.#priority = PRIORITIES[PRIORITIES.indexOf(this.#priority) + steps] ?? this.#priority;
    this.#busyUntilMs = monotonicMs() + BUSY_MS;
    this.#dropChild();
  }

  #dropChild(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(new URL('password-main.ts', import.meta.url)), [this.#priority], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      // It needs no setting, and our environment contains secrets.
      env: {},
    });
    child.on('message', (answer: PasswordAnswer) => {
      // The last answer of a child that has ended belongs to nobody who still waits.
      if (this.#child !== child) return;
      this.#finish()?.resolve(answer);
      // An idle child must not keep a process alive that ends.
      if (Object.values(this.#waiting).every(({ length }) => length === 0)) letGo(child);
      this.#next();
    });
    const onGone = (reason: unknown): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#log.warn({ reason: String(reason) }, 'the process that hashes passwords has ended');
      this.#fail('the process that hashes passwords has ended');
      this.#next();
    };
    child.on('error', onGone);
    child.on('exit', (code, signal) => onGone(signal ?? code));
    return child;
  }

  #finish(): Waiting | undefined {
    this.#deadline?.clear();
    const finished = this.#current;
    this.#current = undefined;
    return finished;
  }

  #fail(reason: string): void {
    this.#finish()?.reject(gone(reason));
  }
}

/**
 * Makes room in a full queue, if somebody else has more there than the newcomer will have: his newest task is
 * refused.
 * @returns false when nobody has
 */
function giveWay(waiting: Waiting[], { who, queue }: PasswordTask): boolean {
  const counts = new Map<string | undefined, number>();
  for (const { task } of waiting) counts.set(task.who, (counts.get(task.who) ?? 0) + 1);
  const most = Math.max(...counts.values());
  if (most <= (counts.get(who) ?? 0) + 1) return false;
  const at = waiting.findLastIndex(({ task }) => counts.get(task.who) === most);
  const [newest] = waiting.splice(at, 1);
  newest?.deadline.clear();
  newest?.reject(tooMany(queue));
  return true;
}

function hold(child: ChildProcess): void {
  child.ref();
  child.channel?.ref();
}

function letGo(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

const TOO_MANY: Readonly<Record<Queue, string>> = {
  'sign-ins': 'Too many people sign in at this moment.',
  'link-compares': 'Too many passwords of links wait at this moment.',
  'link-hashes': 'Too many new passwords of links wait at this moment.',
};

function tooMany(queue: Queue): Problem {
  return new Problem('overloaded', {
    detail: TOO_MANY[queue],
    headers: { 'Retry-After': RETRY_AFTER_S },
  });
}

function gone(reason: string): Problem {
  return new Problem('overloaded', {
    detail: 'Passwords cannot be checked just now.',
    cause: new Error(reason),
  });
}
