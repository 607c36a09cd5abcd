import { formatAcknowledgement, type Question } from './hearing-messages.ts';
import type { Pool } from './pool.ts';
import { acknowledgementChannel } from './redis-keys.ts';

/** More than one packet can contain. */
const MAX_HELD = 10_000;

/**
 * Answers the questions that were heard on one shard. Those of one turn of the event loop, which were in one
 * packet, share one message for each announcer. Nothing is kept longer than a turn, except before the
 * subscription has begun.
 */
export class Acknowledgements {
  readonly #pool: Pick<Pool, 'publish'>;
  readonly #canSend: () => boolean;
  readonly #numbers = new Map<string, number[]>();
  #held = 0;

  /** @param canSend whether everything heard so far was acted upon; {@link send} is called when it is true */
  constructor(pool: Pick<Pool, 'publish'>, canSend: () => boolean) {
    this.#pool = pool;
    this.#canSend = canSend;
  }

  add({ announcer, number }: Question): void {
    if (this.#held >= MAX_HELD) return;
    this.#held += 1;
    if (this.#held === 1) queueMicrotask(() => this.send());
    const numbers = this.#numbers.get(announcer);
    if (numbers === undefined) this.#numbers.set(announcer, [number]);
    else numbers.push(number);
  }

  send(): void {
    if (!this.#canSend()) return;
    for (const [announcer, numbers] of this.#numbers) {
      const message = formatAcknowledgement(numbers);
      // One that is lost costs the announcer its wait, and no more.
      this.#pool.publish(acknowledgementChannel(announcer), message).catch(() => undefined);
    }
    this.#numbers.clear();
    this.#held = 0;
  }
}
