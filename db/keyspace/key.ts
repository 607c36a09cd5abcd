import { createHmac, hkdfSync, scryptSync } from 'node:crypto';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import { BITS_PER_CHARACTER, CODE_OF_VALUE, valueAt } from './alphabet.ts';
import { createPermutation, type Permutation } from './permutation.ts';

export interface KeyspaceOptions {
  /** Characters of a key, 6 to 10. */
  readonly length: number;
  /** At least 16 characters. Anyone who has it can compute every key. */
  readonly secret: string;
  /** There are 2^regionBits regions (keys-dbs). */
  readonly regionBits: number;
}

/**
 * All keys of one length under one secret: key = base64url(permute(region << idBits | id)). Different pairs
 * of region and id give different keys, without coordination. Without the secret, nobody can guess the next
 * key or the id of a key.
 */
export interface Keyspace extends KeyspaceIdentity {
  /** Ids of a region are 1 to maxId. */
  readonly maxId: number;
  /**
   * The keys of `count` ids, starting at `firstId`, permuted as one batch.
   * @throws RangeError outside the region
   */
  keysOf(region: number, firstId: number, count: number): string[];
  /** The same as ASCII bytes, with a space after each key: millions of keys without a string for each. */
  bytesOf(region: number, firstId: number, count: number): Buffer;
  /**
   * Region and id of a key, whether or not it was issued. Undefined when the text does not have the shape of
   * a key.
   */
  locate(key: string): Place | undefined;
  /** The same for many keys as one batch: about 20 times faster. */
  locateAll(keys: readonly string[]): (Place | undefined)[];
}

/** The origin of a key. */
export interface Place {
  readonly region: number;
  readonly id: number;
}

/** Ids of a region, both ends included. */
export interface IdRange {
  readonly region: number;
  readonly first: number;
  readonly last: number;
}

/** Characters of the shortest keys that are generated. */
export const MIN_KEY_LENGTH = 6;
export const MAX_LENGTH = 10;

export function createKeyspace({ length, secret, regionBits }: KeyspaceOptions): Keyspace {
  if (!Number.isInteger(length) || length < MIN_KEY_LENGTH || length > MAX_LENGTH) {
    throw new RangeError(`key length ${length}, must be ${MIN_KEY_LENGTH} to ${MAX_LENGTH}`);
  }
  const halfBits = (length * BITS_PER_CHARACTER) / 2;
  if (!Number.isInteger(regionBits) || regionBits < 1 || regionBits > halfBits) {
    throw new RangeError(`region bits ${regionBits}, must be 1 to ${halfBits} at key length ${length}`);
  }
  const { cipherKey, fingerprint } = deriveFrom(secret, length, regionBits);
  return new PermutedKeyspace(length, regionBits, fingerprint, createPermutation(cipherKey, halfBits));
}

class PermutedKeyspace implements Keyspace {
  readonly length: number;
  readonly regionBits: number;
  readonly maxId: number;
  readonly fingerprint: string;
  readonly #permutation: Permutation;
  readonly #halfBits: number;
  /** Numbers per half: 2^halfBits. */
  readonly #halfSize: number;
  /** Value of the region's lowest bit within the high half. */
  readonly #regionUnit: number;

  constructor(length: number, regionBits: number, fingerprint: string, permutation: Permutation) {
    this.length = length;
    this.regionBits = regionBits;
    this.fingerprint = fingerprint;
    this.#permutation = permutation;
    this.#halfBits = (length * BITS_PER_CHARACTER) / 2;
    this.#halfSize = 2 ** this.#halfBits;
    this.#regionUnit = 2 ** (this.#halfBits - regionBits);
    this.maxId = this.#regionUnit * this.#halfSize - 1;
  }

  keysOf(region: number, firstId: number, count: number): string[] {
    const text = this.bytesOf(region, firstId, count).toString('latin1');
    const stride = this.length + 1;
    return Array.from({ length: count }, (_, i) => text.slice(i * stride, i * stride + this.length));
  }

  bytesOf(region: number, firstId: number, count: number): Buffer {
    if (!Number.isInteger(region) || region < 0 || region >= 2 ** this.regionBits) {
      throw new RangeError(`region ${region}, must be 0 to ${2 ** this.regionBits - 1}`);
    }
    if (!Number.isSafeInteger(firstId) || firstId < 1 || firstId + count - 1 > this.maxId) {
      throw new RangeError(`ids ${firstId} to ${firstId + count - 1}, must be 1 to ${this.maxId}`);
    }
    const high = new Uint32Array(count);
    const low = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      const id = firstId + i;
      low[i] = id % this.#halfSize;
      high[i] = region * this.#regionUnit + Math.floor(id / this.#halfSize);
    }
    this.#permutation.forward(high, low, count);
    return this.#spell(high, low, count);
  }

  locate(key: string): Place | undefined {
    return this.locateAll([key])[0];
  }

  locateAll(keys: readonly string[]): (Place | undefined)[] {
    const high = new Uint32Array(keys.length);
    const low = new Uint32Array(keys.length);
    const shaped = keys.map((key, i) => this.#read(key, i, high, low));
    this.#permutation.backward(high, low, keys.length);
    return shaped.map((isKey, i) => {
      if (!isKey) return undefined;
      const top = high[i] ?? 0;
      const region = Math.floor(top / this.#regionUnit);
      return { region, id: (top % this.#regionUnit) * this.#halfSize + (low[i] ?? 0) };
    });
  }

  /**
   * Writes the two halves of a key at index `i`. False when the text does not have the shape of a key. The
   * inverse of `#spell`.
   */
  #read(key: string, i: number, high: Uint32Array, low: Uint32Array): boolean {
    if (key.length !== this.length) return false;
    const halfLength = this.length >> 1;
    let top = 0;
    let bottom = 0;
    for (let c = 0; c < this.length; c += 1) {
      const value = valueAt(key, c);
      if (value === undefined) return false;
      if (c < halfLength) top = top * 64 + value;
      else if (c >= this.length - halfLength) bottom = bottom * 64 + value;
      else {
        top = top * 8 + (value >> 3);
        bottom = value & 7;
      }
    }
    high[i] = top;
    low[i] = bottom;
    return true;
  }

  /**
   * Six bits a character, most significant first. At odd lengths the middle character has three bits of each
   * half.
   */
  #spell(high: Uint32Array, low: Uint32Array, count: number): Buffer {
    const { length } = this;
    const halfLength = length >> 1;
    const odd = length % 2 === 1;
    const spare = odd ? BITS_PER_CHARACTER / 2 : 0;
    const bytes = Buffer.alloc(count * (length + 1), ' ');
    for (let i = 0, at = 0; i < count; i += 1, at += length + 1) {
      const top = high[i] ?? 0;
      const bottom = low[i] ?? 0;
      for (let c = 0; c < halfLength; c += 1) {
        const shift = BITS_PER_CHARACTER * (halfLength - 1 - c);
        bytes[at + c] = CODE_OF_VALUE[(top >>> (shift + spare)) & 63] ?? 0;
        bytes[at + length - halfLength + c] = CODE_OF_VALUE[(bottom >>> shift) & 63] ?? 0;
      }
      if (odd)
        bytes[at + halfLength] = CODE_OF_VALUE[((top & 7) << 3) | (bottom >>> (this.#halfBits - 3))] ?? 0;
    }
    return bytes;
  }
}

/** scrypt makes it slow to guess a weak secret from a stored fingerprint. HKDF separates the two uses. */
function deriveFrom(
  secret: string,
  length: number,
  regionBits: number,
): { cipherKey: Buffer; fingerprint: string } {
  const root = scryptSync(secret, 'keymill keyspace 1', 32);
  const expand = (use: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', root, '', `${use} L=${length}`, bytes));
  const fingerprint = createHmac('sha256', expand('fingerprint', 32)).update(
    `L=${length} region-bits=${regionBits}`,
  );
  return { cipherKey: expand('permutation', 16), fingerprint: fingerprint.digest('hex') };
}
