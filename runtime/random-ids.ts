import { randomBytes } from 'node:crypto';

/** How many ids are made at a time. A block of UUIDs is 9 KB, and making it takes some 15 µs. */
const BLOCK_IDS = 256;

const DASH = '-'.charCodeAt(0);

/**
 * Random ids at the cost of a substring: they are made in blocks, one after another in one string.
 *
 * Nothing in an id counts. A client that sees the ids of some requests cannot compute how many others came in
 * between.
 */
export class RandomIds {
  readonly #length: number;
  readonly #makeBlock: () => string;
  #block = '';
  #at = 0;

  private constructor(length: number, makeBlock: () => string) {
    this.#length = length;
    this.#makeBlock = makeBlock;
  }

  /** 128 random bits as 32 hexadecimal digits. */
  static hex(): RandomIds {
    return new RandomIds(32, () => randomBytes(16 * BLOCK_IDS).toString('hex'));
  }

  /** UUIDs of version 4, which have 122 random bits (RFC 9562, section 5.4). */
  static uuid(): RandomIds {
    return new RandomIds(36, makeUuids);
  }

  next(): string {
    if (this.#at === this.#block.length) {
      this.#block = this.#makeBlock();
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += this.#length;
    return this.#block.slice(start, this.#at);
  }
}

/** Random bytes for 36 digits each. Version and variant are set in the bytes, dashes in the digits. */
function makeUuids(): string {
  const bytes = randomBytes(18 * BLOCK_IDS);
  for (let at = 0; at < bytes.length; at += 18) {
    bytes[at + 7] = ((bytes[at + 7] as number) & 0x0f) | 0x40;
    bytes[at + 9] = ((bytes[at + 9] as number) & 0xf3) | 0x08;
  }
  const digits = Buffer.from(bytes.toString('hex'), 'latin1');
  for (let at = 0; at < digits.length; at += 36)
    digits[at + 8] = digits[at + 13] = digits[at + 18] = digits[at + 23] = DASH;
  return digits.toString('latin1');
}
