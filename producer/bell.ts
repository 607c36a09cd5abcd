/** Wakes loops when something has changed. Rings are not counted: a loop that wakes looks at everything. */
export class Bell {
  readonly #waiting = new Set<() => void>();
  #rung = false;

  ring(): void {
    this.#rung = true;
    for (const wake of this.#waiting) wake();
  }

  /** Returns at the next ring (now if it rang since the last wait), after `timeoutMs`, or when aborted. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, timeoutMs);
        signal.addEventListener('abort', wake);
        this.#waiting.add(wake);
      });
    }
    this.#rung = false;
  }
}
