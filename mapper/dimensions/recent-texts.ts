import { flat } from '../../runtime/flat-text.ts';

/** One of so many texts that are not there is remembered: those that come often are soon among them. */
const REMEMBERED = 8;
/** So many characters of a text say where it is remembered. */
const LOOKED_AT = 16;

interface RecentText<Value> {
  readonly text: string;
  readonly value: Value;
}

/**
 * Remembers what texts say that came lately, each at the place that some of its characters give it. No table
 * of texts is asked: V8 keeps each text that is looked for in one, and where all are different, that takes
 * longer than the rest of a click.
 */
export class RecentTexts<Value> {
  readonly #recent: (RecentText<Value> | undefined)[];
  readonly #shift: number;
  #added = 0;

  /** @param size of how many texts, at most: a power of two */
  constructor(size: number) {
    this.#recent = Array.from({ length: size });
    // The high bits of a hash are those that all characters have changed.
    this.#shift = 32 - Math.log2(size);
  }

  /** Undefined: it is not remembered. */
  find(text: string): Value | undefined {
    const recent = this.#recent[placeOf(text, this.#shift)];
    return recent?.text === text ? recent.value : undefined;
  }

  /** What a text says that was not found. It may be a view of a longer one. Only some are remembered. */
  add(text: string, value: Value): void {
    this.#added += 1;
    if (this.#added % REMEMBERED === 0)
      this.#recent[placeOf(text, this.#shift)] = { text: flat(text), value };
  }
}

function placeOf(text: string, shift: number): number {
  const { length } = text;
  const step = Math.ceil(length / LOOKED_AT);
  let hash = length;
  // From the end on, where browsers differ.
  for (let at = length - 1; at >= 0; at -= step) hash = Math.imul(hash ^ text.charCodeAt(at), ODD);
  return hash >>> shift;
}

/** 2^32 divided by the golden ratio: it spreads what is multiplied by it. */
const ODD = 0x9e3779b1;
