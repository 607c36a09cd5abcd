/** Reports the steps of a command on stderr, one line each, with the seconds since the start. */
export class ProgressLog {
  readonly #began = performance.now();

  /** `[  3.2 s] what` */
  line(what: string): void {
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(1).padStart(5);
    process.stderr.write(`[${seconds} s] ${what}\n`);
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }
}
