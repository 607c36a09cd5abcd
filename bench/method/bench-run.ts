/** One run of benches, as its parts see it: where they report, and when they must stop. */
export interface BenchRun {
  /** Prints a line on stderr. */
  readonly say: (text: string) => void;
  /** Shows how much of `total` is done. */
  readonly progress: (
    what: string,
    total: number,
    unit: string,
  ) => { update(done: number): void; stop(): void };
  /** Two rounds of one second and no verdict: only to see that a bench works. */
  readonly quick: boolean;
  /** Aborted by Ctrl-C: stop the private servers and leave. */
  readonly signal: AbortSignal;
}
