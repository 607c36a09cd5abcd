import { flat } from '../../runtime/flat-text.ts';

/** One of so many texts that are not there is remembered: those that come often are soon among them. */
const REMEMBERED = 8;
/** So many characters of a text say where it is remembered. */
const LOOKED_AT = 16;

/**
 * Remembers what texts say that came lately, each at the place that some of its characters give it. No table
 * of texts is asked: V8 keeps each text that is looked for in one, and where all are different, that takes
 * longer than the rest of a click.
 */
export class RecentTexts<Value> {
  /** Of the texts at their places. Few bytes that are always in the processor's cache rule out most texts. */
  readonly #hashes: Int32Array;
  readonly #texts: string[];
  readonly #values: (Value | undefined)[];
  readonly #shift: number;
  #added = 0;

  /** @param size of how many texts, at most: a power of two */
  constructor(size: number) {
    this.#hashes = new Int32Array(size);
    this.#texts = Array.from({ length: size }, () => '');
    this.#values = Array.from({ length: size });
    // The high bits of a hash are those that all characters have changed.
    this.#shift = 32 - Math.log2(size);
  }

  /** Undefined: it is not remembered. */
  find(text: string): Value | undefined {
    const hash = hashOf(text);
    const place = hash >>> this.#shift;
    if (this.#hashes[place] !== hash || this.#texts[place] !== text) return undefined;
    return this.#values[place];
  }

  /** What a text says that was not found. It may be a view of a longer one. Only some are remembered. */
  add(text: string, value: Value): void {
    this.#added += 1;
    if (this.#added % REMEMBERED !== 0) return;
    const hash = hashOf(text);
    const place = hash >>> this.#shift;
    this.#hashes[place] = hash;
    this.#texts[place] = flat(text);
    this.#values[place] = value;
  }
}

function hashOf(text: string): number {
  const { length } = text;
  const step = Math.ceil(length / LOOKED_AT);
  let hash = length;
  // From the end on, where browsers differ.
  for (let at = length - 1; at >= 0; at -= step) hash = Math.imul(hash ^ text.charCodeAt(at), ODD);
  return hash;
}

/** 2^32 divided by the golden ratio: it spreads what is multiplied by it. */
const ODD = 0x9e3779b1;
