import { crc32 } from 'node:zlib';
import { flat } from '../../runtime/flat-text.ts';
import type { ImportedLink } from './outcome.ts';
import { faultOf, quote, type Fault } from './reasons.ts';

/**
 * At most some 40 MB of memory, mostly 15. Beyond it, the store that takes the links finds the second of two
 * equal codes.
 */
const MAX_CODES = 100_000;

interface First {
  readonly line: number;
  /** The CRC-32 of the target: enough for a hint. */
  readonly target: number;
}

/** Finds codes that a file has twice, such as those of two domains. */
export class RepeatedCodes {
  readonly #first = new Map<string, First>();

  /** Whether there were more codes than are remembered. */
  isFull = false;

  get size(): number {
    return this.#first.size;
  }

  /** @returns why the link is not taken, if an earlier record has its code */
  add({ code, long_url: url }: ImportedLink, line: number): Fault | undefined {
    if (code === null) return undefined;
    const first = this.#first.get(code);
    if (first !== undefined) {
      const target = first.target === crc32(url) ? 'the same target' : 'another target';
      const message = `line ${first.line} has the code ${quote(code)} already, with ${target}`;
      return faultOf('repeated-code', 'code', message);
    }
    if (this.#first.size < MAX_CODES) this.#first.set(flat(code), { line, target: crc32(url) });
    else this.isFull = true;
    return undefined;
  }
}
