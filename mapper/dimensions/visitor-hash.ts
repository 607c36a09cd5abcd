/** 64 bits, as two numbers of 32 bits. */
export interface Bits64 {
  readonly high: number;
  readonly low: number;
}

/**
 * Makes 64 bits of a visitor on one day: SipHash-2-4 of a digest of his browser and his address, under the
 * salt of the day. They only go into a sketch, which keeps some 16 of them. Without the salt, which is
 * deleted after two days, nobody can find out for whom they stand: SipHash is made so that whoever does not
 * know its key can tell nothing of other texts, however many he knows or chooses.
 *
 * SHA-256 of three short texts takes four times as long, most of it on the way to OpenSSL and back.
 */
export class VisitorHash {
  readonly #key0: Bits64;
  readonly #key1: Bits64;

  /** @param salt at least 16 bytes, of which it takes the first 16 */
  constructor(salt: Buffer) {
    this.#key0 = { low: salt.readInt32LE(0), high: salt.readInt32LE(4) };
    this.#key1 = { low: salt.readInt32LE(8), high: salt.readInt32LE(12) };
  }

  /**
   * The address is hashed as it is, because a visitor can choose his browser's text, but not his address: no
   * choice of his makes him another visitor's double.
   * @param agent a digest of the browser's text. It comes first, as 8 bytes
   * @param address of ASCII
   */
  of(agent: Bits64, address: string): Bits64 {
    // Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). Each number of 64 bits is two here.
    let [v0, v0h] = [this.#key0.low ^ 0x70736575, this.#key0.high ^ 0x736f6d65];
    let [v1, v1h] = [this.#key1.low ^ 0x6e646f6d, this.#key1.high ^ 0x646f7261];
    let [v2, v2h] = [this.#key0.low ^ 0x6e657261, this.#key0.high ^ 0x6c796765];
    let [v3, v3h] = [this.#key1.low ^ 0x79746573, this.#key1.high ^ 0x74656462];
    const words = 2 + (address.length >>> 3);
    for (let word = 0; word <= words; word += 1) {
      const isEnd = word === words;
      let [low, high] = [agent.low, agent.high];
      if (isEnd) [low, high] = [0, 0];
      else if (word > 0) {
        const at = (word - 1) << 3;
        low = fourOf(address, at);
        high = fourOf(address, at + 4);
        if (word === words - 1) high |= (address.length + 8) << 24;
      }
      v3 ^= low;
      v3h ^= high;
      if (isEnd) v2 ^= 0xff;
      for (let round = isEnd ? 4 : 2; round > 0; round -= 1) {
        let sum = (v0 + v1) | 0;
        v0h = (v0h + v1h + carryOf(sum, v0)) | 0;
        v0 = sum;
        let turned = (v1 << 13) | (v1h >>> 19);
        v1h = ((v1h << 13) | (v1 >>> 19)) ^ v0h;
        v1 = turned ^ v0;
        [v0, v0h] = [v0h, v0];
        sum = (v2 + v3) | 0;
        v2h = (v2h + v3h + carryOf(sum, v2)) | 0;
        v2 = sum;
        turned = (v3 << 16) | (v3h >>> 16);
        v3h = ((v3h << 16) | (v3 >>> 16)) ^ v2h;
        v3 = turned ^ v2;
        sum = (v0 + v3) | 0;
        v0h = (v0h + v3h + carryOf(sum, v0)) | 0;
        v0 = sum;
        turned = (v3 << 21) | (v3h >>> 11);
        v3h = ((v3h << 21) | (v3 >>> 11)) ^ v0h;
        v3 = turned ^ v0;
        sum = (v2 + v1) | 0;
        v2h = (v2h + v1h + carryOf(sum, v2)) | 0;
        v2 = sum;
        turned = (v1 << 17) | (v1h >>> 15);
        v1h = ((v1h << 17) | (v1 >>> 15)) ^ v2h;
        v1 = turned ^ v2;
        [v2, v2h] = [v2h, v2];
      }
      v0 ^= low;
      v0h ^= high;
    }
    return { high: v0h ^ v1h ^ v2h ^ v3h, low: v0 ^ v1 ^ v2 ^ v3 };
  }
}

/** Of a sum of two numbers without signs: whether it is 2^32 or more. */
function carryOf(sum: number, summand: number): 0 | 1 {
  return sum >>> 0 < summand >>> 0 ? 1 : 0;
}

/** Four characters as bytes, the first one lowest. Behind the end of a text they are 0. */
function fourOf(text: string, at: number): number {
  let four = 0;
  for (let i = Math.min(text.length - at, 4) - 1; i >= 0; i -= 1)
    four = (four << 8) | text.charCodeAt(at + i);
  return four;
}
