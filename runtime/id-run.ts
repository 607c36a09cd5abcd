/** How many ids share a random beginning: as many as three hexadecimal digits can count. */
const RUN_LENGTH = 16 ** 3;
const ENDINGS = Array.from({ length: RUN_LENGTH }, (_, n) => n.toString(16).padStart(3, '0'));

/**
 * Ids that are as unique as random ones and cost one concatenation: 4,096 of them share a random beginning
 * and end in a number of three hexadecimal digits.
 */
export class IdRun {
  readonly #random: () => string;
  #beginning = '';
  #used = RUN_LENGTH;

  /** @param random an id whose last three characters are hexadecimal digits and may be replaced */
  constructor(random: () => string) {
    this.#random = random;
  }

  next(): string {
    if (this.#used === RUN_LENGTH) {
      this.#beginning = this.#random().slice(0, -3);
      this.#used = 0;
    }
    const ending = ENDINGS[this.#used] as string;
    this.#used += 1;
    return this.#beginning + ending;
  }
}
