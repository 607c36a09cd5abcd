/**
 * Which processes of the cluster ended, and which of these ends the drill did not cause.
 * A process that ended counts once, until it is started again.
 */
export class Deaths {
  /** Processes that the drill ended, or whose end has been noted. */
  readonly #accounted = new Set<string>();
  readonly #unexpected: string[] = [];

  /** The drill ends this process: until its next start, its end is expected. */
  expect(id: string): void {
    this.#accounted.add(id);
  }

  /** Notes each of these processes that neither runs nor was expected to end. */
  note(ids: Iterable<string>, isRunning: (id: string) => boolean): void {
    for (const id of ids) {
      if (isRunning(id) || this.#accounted.has(id)) continue;
      this.#unexpected.push(id);
      this.#accounted.add(id);
    }
  }

  /** Processes that are known to have ended and do not run. */
  gone(isRunning: (id: string) => boolean): string[] {
    return [...this.#accounted].filter((id) => !isRunning(id));
  }

  /** This process was started again: its next end is a new one. */
  forget(id: string): void {
    this.#accounted.delete(id);
  }

  /** Processes that ended unexpectedly since the last call. */
  takeUnexpected(): string[] {
    return this.#unexpected.splice(0);
  }
}
