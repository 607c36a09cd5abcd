import { fork, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { Problem } from '../http/problem.ts';
import type { DecoderAnswer, DecoderTask } from './decoder-messages.ts';
import type { Decoder, FoundFacts, ThumbnailSize } from './decoder.ts';
import type { PictureFault } from './picture.ts';
import { TaskQueues, type Waiting } from './task-queues.ts';

export interface DecoderLimits {
  /** How long a task waits for the child before it is refused. */
  readonly waitMs: number;
  /**
   * A child that runs only when the machine has nothing else to do, and has not answered for this time, is
   * replaced by one of the lowest priority, which gets the same task.
   */
  readonly idleMs: number;
  /** A child that has not answered for this time is killed, and its task is refused. */
  readonly answerMs: number;
  /** A child without work ends after this time. */
  readonly restMs: number;
  /** A child that has more memory ends itself. */
  readonly maxMemoryBytes: number;
}

/**
 * Waiting and working are shorter than the time that our haproxy gives to an answer: 15 s. 100 Mpx of 16 bits
 * and four channels are 800 MB, and some decoders hold them.
 */
const LIMITS: DecoderLimits = {
  waitMs: 4_000,
  idleMs: 2_000,
  answerMs: 8_000,
  restMs: 60_000,
  maxMemoryBytes: 2 ** 30,
};

/** After a machine had no idle time, the child has the lowest priority for so long. */
const BUSY_MS = 60_000;

/** A picture whose frames fit into 100 Mpx needs less: it is built to exhaust the decoder. */
const TOO_MUCH_MEMORY: PictureFault = { kind: 'damaged', why: 'needs too much memory to be decoded' };

/**
 * The child process that decodes pictures, one at a time. It starts with the first picture, ends a minute
 * after the last one, and starts again after it has died. Pictures are made to break decoders: the child has
 * no secret, and may be killed at any moment.
 *
 * It runs when the machine is idle, or else with the lowest priority, for the reasons in `PasswordProcess`.
 */
export class DecoderProcess implements Decoder {
  readonly #log: Log;
  readonly #limits: DecoderLimits;
  readonly #main: string;
  readonly #queues: TaskQueues<DecoderTask, DecoderAnswer>;
  #child: ChildProcess | undefined;
  #current: Waiting<DecoderTask, DecoderAnswer> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restTimer: NodeJS.Timeout | undefined;
  /** Until then the machine counts as busy. Monotonic. */
  #busyUntilMs = 0;
  #needsIdle = false;

  /** @param limits, main only tests have others */
  constructor(
    log: Log,
    limits: Partial<DecoderLimits> = {},
    main = new URL('decoder-main.ts', import.meta.url),
  ) {
    this.#log = log;
    this.#limits = { ...LIMITS, ...limits };
    this.#main = fileURLToPath(main);
    this.#queues = new TaskQueues(this.#limits.waitMs);
  }

  async check(file: string, { type, width, height, frames }: FoundFacts): Promise<PictureFault | undefined> {
    const answer = await this.#run({ kind: 'check', file, found: { type, width, height, frames } });
    if (answer.kind === 'too-much-memory') return TOO_MUCH_MEMORY;
    return answer.kind === 'failure' ? { kind: 'damaged', why: answer.why } : undefined;
  }

  async thumbnail(picture: Uint8Array, size: ThumbnailSize): Promise<Buffer> {
    const answer = await this.#run({ kind: 'thumbnail', picture, size });
    if (answer.kind === 'thumbnail') return Buffer.from(answer.bytes);
    throw new Error(
      `no thumbnail of ${size} pixels: ${answer.kind === 'failure' ? answer.why : answer.kind}`,
    );
  }

  close(): void {
    clearTimeout(this.#restTimer);
    this.#dropChild();
    this.#fail('the mapper stops');
    this.#queues.close(gone('the mapper stops'));
  }

  /** @throws Problem 503 */
  async #run(task: DecoderTask): Promise<DecoderAnswer> {
    const answer = this.#queues.wait(task);
    this.#next();
    return answer;
  }

  #next(): void {
    if (this.#current !== undefined) return;
    this.#current = this.#queues.shift();
    if (this.#current === undefined) return;
    if (!this.#needsIdle && monotonicMs() >= this.#busyUntilMs) this.#dropChild();
    this.#begin(this.#current.task);
  }

  #begin(task: DecoderTask): void {
    clearTimeout(this.#restTimer);
    this.#child ??= this.#start();
    hold(this.#child);
    this.#child.send(task);
    const { idleMs, answerMs } = this.#limits;
    this.#timer = this.#needsIdle
      ? setTimeout(() => this.#hurry(task), idleMs)
      : setTimeout(() => this.#giveUp(), answerMs);
  }

  /** The machine has no idle time. */
  #hurry(task: DecoderTask): void {
    this.#busyUntilMs = monotonicMs() + BUSY_MS;
    this.#dropChild();
    this.#begin(task);
  }

  #giveUp(): void {
    this.#dropChild();
    this.#log.warn({ task: this.#current?.task.kind }, 'a picture took too long to decode');
    this.#fail('it took too long');
    this.#next();
  }

  #dropChild(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }

  #start(): ChildProcess {
    this.#needsIdle = monotonicMs() >= this.#busyUntilMs;
    const child = fork(this.#main, [String(this.#limits.maxMemoryBytes), this.#needsIdle ? 'idle' : 'busy'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      // It needs no setting, and our environment contains secrets.
      env: {},
      // Passes bytes as they are.
      serialization: 'advanced',
    });
    behaveAsTheLeast(child);
    child.on('message', (answer: DecoderAnswer) => {
      // The last answer of a child that has ended belongs to nobody who still waits.
      if (this.#child === child) this.#answered(child, answer);
    });
    const onGone = (reason: unknown): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#log.warn({ reason: String(reason) }, 'the process that decodes pictures has ended');
      this.#fail('the process that decodes pictures has ended');
      this.#next();
    };
    child.on('error', onGone);
    child.on('exit', (code, signal) => onGone(signal ?? code));
    return child;
  }

  #answered(child: ChildProcess, answer: DecoderAnswer): void {
    if (answer.kind === 'too-much-memory') {
      this.#log.warn('a picture needed too much memory to decode');
      this.#dropChild();
    }
    this.#finish()?.resolve(answer);
    this.#next();
    if (this.#current !== undefined) return;
    // An idle child must not keep a process alive that ends.
    letGo(child);
    this.#restTimer = setTimeout(() => this.#dropChild(), this.#limits.restMs).unref();
  }

  #finish(): Waiting<DecoderTask, DecoderAnswer> | undefined {
    clearTimeout(this.#timer);
    const finished = this.#current;
    this.#current = undefined;
    return finished;
  }

  #fail(reason: string): void {
    this.#finish()?.reject(gone(reason));
  }
}

/** It also lowers its own priority, but loads libvips before. */
function behaveAsTheLeast({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already, or a sandbox forbids it.
  }
}

function hold(child: ChildProcess): void {
  child.ref();
  child.channel?.ref();
}

function letGo(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

function gone(reason: string): Problem {
  return new Problem('overloaded', {
    detail: 'This picture cannot be decoded just now.',
    headers: { 'Retry-After': '2' },
    cause: new Error(reason),
  });
}
