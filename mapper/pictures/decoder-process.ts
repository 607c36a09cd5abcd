import { fork, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { Problem } from '../http/problem.ts';
import { cpuMsOf } from './child-time.ts';
import type { DecoderAnswer, DecoderMessage, DecoderTask } from './decoder-messages.ts';
import { UndecodableError, type Decoder, type FoundFacts, type ThumbnailSize } from './decoder.ts';
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
  /**
   * Of the time that a child had, and used as processor time: then the picture is too much for it. With less,
   * the machine had no time for the child.
   */
  readonly usedShare: number;
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
  usedShare: 0.5,
};

/** In one message to the child. To copy more would hold up others. */
const PIECE_BYTES = 256 * 1024;

/** After a machine had no idle time, the child has the lowest priority for so long. */
const BUSY_MS = 60_000;

/** A picture whose frames fit into 100 Mpx needs less: it is built to exhaust the decoder. */
const TOO_MUCH_MEMORY = 'needs too much memory to be decoded';
const TOO_SLOW = 'takes too long to be decoded';
/** Signals of a process that has done something wrong itself. Others come from outside. */
const CRASHES = ['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGSYS'];

/** A task, and the picture that is sent to the child before it. */
type Task = DecoderTask & { readonly picture?: Uint8Array };

/**
 * The child process that decodes pictures, one at a time. It starts with the first picture, ends a minute
 * after the last one, and starts again after it has died. Pictures are made to break decoders: the child may
 * crash, or be killed at any moment. That is all it protects from. The child has none of our settings, but
 * it is the same user on the same machine: whoever takes a decoder over may read what the mapper may read.
 *
 * It runs when the machine is idle, or else with the lowest priority, for the reasons in `PasswordProcess`.
 * Linux compares priorities within a session only, and gives each session the same share (`autogroup`). In
 * the session of the mapper an idle child counts like the mapper itself, and other programs wait for it.
 */
export class DecoderProcess implements Decoder {
  readonly #log: Log;
  readonly #limits: DecoderLimits;
  readonly #main: string;
  readonly #queues: TaskQueues<Task, DecoderAnswer>;
  #child: ChildProcess | undefined;
  #current: Waiting<Task, DecoderAnswer> | undefined;
  /** Whether the child has started well, and what it had used when it began its task. */
  #isReady = false;
  #usedMs = 0;
  #deadline: AnswerDeadline | undefined;
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

  async check(
    file: string,
    { type, width, height, frames }: FoundFacts,
    owner?: string,
  ): Promise<PictureFault | undefined> {
    const answer = await this.#run({ kind: 'check', file, found: { type, width, height, frames } }, owner);
    return answer.kind === 'whole' ? undefined : { kind: 'damaged', why: reasonOf(answer) };
  }

  async thumbnail(picture: Uint8Array, size: ThumbnailSize, client?: string): Promise<Buffer> {
    const answer = await this.#run({ kind: 'thumbnail', picture, size }, client);
    if (answer.kind === 'thumbnail') return Buffer.from(answer.bytes);
    throw new UndecodableError(`no thumbnail of ${size} pixels: the picture ${reasonOf(answer)}`);
  }

  close(): void {
    clearTimeout(this.#restTimer);
    this.#dropChild();
    this.#fail('the mapper stops');
    this.#queues.close(gone('the mapper stops'));
  }

  /** @throws Problem 503 */
  async #run(task: Task, owner: string | undefined): Promise<DecoderAnswer> {
    const answer = this.#queues.wait(task, owner);
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

  #begin(task: Task): void {
    clearTimeout(this.#restTimer);
    this.#child ??= this.#start();
    hold(this.#child);
    this.#usedMs = cpuMsOf(this.#child.pid) ?? 0;
    void this.#send(this.#child, task);
    const { idleMs, answerMs } = this.#limits;
    this.#deadline = this.#needsIdle
      ? new AnswerDeadline(idleMs, () => this.#hurry(task))
      : new AnswerDeadline(answerMs, () => this.#giveUp());
  }

  /** Never rejects: a child that cannot be sent anything has gone, or is killed. */
  async #send(child: ChildProcess, { picture = NOTHING, ...task }: Task): Promise<void> {
    const send = async (message: DecoderMessage): Promise<void> =>
      new Promise((resolve) => void child.send(message, () => resolve()));
    for (let at = 0; at < picture.length; at += PIECE_BYTES) {
      await send({ kind: 'piece', bytes: picture.subarray(at, at + PIECE_BYTES) });
      if (this.#child !== child) return;
    }
    await send(task);
  }

  /** The machine has no idle time. */
  #hurry(task: Task): void {
    this.#busyUntilMs = monotonicMs() + BUSY_MS;
    this.#dropChild();
    this.#begin(task);
  }

  #giveUp(): void {
    const usedMs = (cpuMsOf(this.#child?.pid) ?? 0) - this.#usedMs;
    this.#dropChild();
    this.#log.warn({ task: this.#current?.task.kind, usedMs }, 'a picture took too long to decode');
    if (usedMs >= this.#limits.answerMs * this.#limits.usedShare)
      this.#finish()?.resolve({ kind: 'failure', why: TOO_SLOW });
    else this.#fail('it took too long');
    this.#next();
  }

  #dropChild(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }

  #start(): ChildProcess {
    this.#needsIdle = monotonicMs() >= this.#busyUntilMs;
    this.#isReady = false;
    const child = fork(this.#main, [String(this.#limits.maxMemoryBytes), this.#needsIdle ? 'idle' : 'busy'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // It calls the system by `node:ffi`, which warns that it is experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      // It needs no setting, and our environment contains secrets.
      env: {},
      // Passes bytes as they are.
      serialization: 'advanced',
      // A session of its own, of which it makes the last one. When the machine has no idle time, it is one of
      // ours: the last of all would decode nothing then.
      detached: this.#needsIdle,
    });
    behaveAsTheLeast(child);
    child.on('message', (answer: DecoderAnswer) => {
      // The last answer of a child that has ended belongs to nobody who still waits.
      if (this.#child !== child) return;
      if (answer.kind === 'ready') this.#started(child);
      else this.#answered(child, answer);
    });
    child.on('error', (error) => this.#gone(child, error, false));
    child.on('exit', (code, signal) =>
      this.#gone(child, signal ?? code, signal === null ? code !== 0 : CRASHES.includes(signal)),
    );
    return child;
  }

  /** What it needed to start is no fault of the picture. */
  #started(child: ChildProcess): void {
    this.#isReady = true;
    this.#usedMs = cpuMsOf(child.pid) ?? 0;
  }

  /** @param hasCrashed a child that had started well, and was ended by nobody else: over its picture */
  #gone(child: ChildProcess, reason: unknown, hasCrashed: boolean): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#log.warn({ reason: String(reason) }, 'the process that decodes pictures has ended');
    if (hasCrashed && this.#isReady) this.#finish()?.resolve({ kind: 'failure', why: 'cannot be decoded' });
    else this.#fail('the process that decodes pictures has ended');
    this.#next();
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

  #finish(): Waiting<Task, DecoderAnswer> | undefined {
    this.#deadline?.clear();
    const finished = this.#current;
    this.#current = undefined;
    return finished;
  }

  #fail(reason: string): void {
    this.#finish()?.reject(gone(reason));
  }
}

const NOTHING = new Uint8Array();

function reasonOf(answer: DecoderAnswer): string {
  if (answer.kind === 'too-much-memory') return TOO_MUCH_MEMORY;
  return answer.kind === 'failure' ? answer.why : answer.kind;
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
