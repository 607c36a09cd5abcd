import type { ChildProcess } from 'node:child_process';
import { pause, withDeadline } from '../../runtime/retry.ts';
import type { Answers, Question, ToChild, ToParent } from './process-messages.ts';

const ASK_EVERY_MS = 1_000;

/** One process of a mapper, seen from its parent. */
export class Child {
  readonly #process: ChildProcess;
  readonly #serving = Promise.withResolvers<{ url: string; publicUrl: string }>();
  readonly #gone = new AbortController();
  readonly #exited: Promise<number | null>;
  readonly #asked = new Map<number, (answer: unknown) => void>();
  #questions = 0;
  #isServing = false;
  #hasBegun = false;

  constructor(child: ChildProcess) {
    this.#process = child;
    this.#serving.promise.catch(() => undefined);
    child.on('message', (message: ToParent) => this.#onMessage(message));
    this.#exited = new Promise((resolve) => {
      const onGone = (code: number | null): void => {
        this.#gone.abort();
        this.#serving.reject(new Error('the process ended before it served'));
        resolve(code);
      };
      child.once('exit', onGone);
      child.on('error', () => {
        if (child.pid === undefined) onGone(null);
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isServing(): boolean {
    return this.#isServing && !this.#gone.signal.aborted;
  }

  /**
   * False until the parent has sent `begin`. A child needs seconds to load on a busy machine, and cannot
   * answer meanwhile.
   */
  get mayHoldKeys(): boolean {
    return this.#hasBegun;
  }

  get wasServing(): boolean {
    return this.#isServing;
  }

  /** Where it serves. Rejects when the process ends first. */
  get serving(): Promise<{ url: string; publicUrl: string }> {
    return this.#serving.promise;
  }

  /** Resolves to its exit code when the process has ended. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  /** @throws DeadlineError when it does not answer; an AbortError, immediately, when it has ended */
  async ask<Q extends Question>(question: Q, timeoutMs: number): Promise<Answers[Q]> {
    this.#questions += 1;
    const id = this.#questions;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#asked.set(id, resolve);
    try {
      this.#send({ kind: 'question', id, question });
      return (await withDeadline(
        `process ${this.pid}`,
        timeoutMs,
        async () => promise,
        this.#gone.signal,
      )) as Answers[Q];
    } finally {
      this.#asked.delete(id);
    }
  }

  /** Asks it to stop; kills it if it has not ended after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#send({ kind: 'stop' });
    const kill = setTimeout(() => this.kill(), timeoutMs);
    await this.#exited;
    clearTimeout(kill);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /**
   * Resolves when it has served and then not answered for `silenceMs`. Rejects when it ends, or `signal` is
   * aborted, first.
   */
  async untilSilent(silenceMs: number, signal: AbortSignal): Promise<void> {
    await this.serving;
    const over = AbortSignal.any([signal, this.#gone.signal]);
    for (;;) {
      await pause(ASK_EVERY_MS, over);
      const isAnswering = await this.#answersWithin(silenceMs);
      // Ask once more: if parent and child were both suspended, the time was over before the child could
      // answer.
      if (!isAnswering && !(await this.#answersWithin(ASK_EVERY_MS))) {
        over.throwIfAborted();
        return;
      }
    }
  }

  async #answersWithin(timeoutMs: number): Promise<boolean> {
    return this.ask('readiness', timeoutMs).then(
      () => true,
      () => false,
    );
  }

  #onMessage(message: ToParent): void {
    switch (message.kind) {
      case 'loaded':
        this.#hasBegun = true;
        this.#send({ kind: 'begin' });
        return;
      case 'serving':
        this.#isServing = true;
        this.#serving.resolve(message);
        return;
      case 'answer':
        this.#asked.get(message.id)?.(message.answer);
        return;
      default:
        message satisfies never;
    }
  }

  #send(message: ToChild): void {
    // A channel that has just closed is not an error: `exit` follows.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }
}
