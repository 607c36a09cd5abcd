/** What every part of a run needs: where it reports, and when it must stop. */
export interface BenchRun {
  /** Prints a line on stderr. */
  readonly say: (text: string) => void;
  /** Shows how much of `total` is done. */
  readonly progress: (
    what: string,
    total: number,
    unit: string,
  ) => { update(done: number): void; stop(): void };
  /** Two rounds of one second and no verdict, to see whether a bench works. */
  readonly quick: boolean;
  /** The number of rounds and the seconds of a window, where the user chose them. `quick` comes first. */
  readonly rounds?: number | undefined;
  readonly seconds?: number | undefined;
  /** Aborted by Ctrl-C. The private servers are then stopped. */
  readonly signal: AbortSignal;
}
