import { setImmediate as nextTurn } from 'node:timers/promises';

/** Divides work that would take too long for one turn of the event loop. Requests are served in between. */
export class Turns {
  readonly #amount: number;
  #done = 0;

  /** @param amount how much is done in one turn, in any unit */
  constructor(amount: number) {
    this.#amount = amount;
  }

  /** So much more was done. Waits for the next turn when that is enough for this one. */
  async did(more: number): Promise<void> {
    this.#done += more;
    if (this.#done < this.#amount) return;
    this.#done = 0;
    await nextTurn();
  }
}
