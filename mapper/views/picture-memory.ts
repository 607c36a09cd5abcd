import { FrequencySketch } from '../cache/frequency-sketch.ts';

/** Bytes in memory, for as long as a client is sent them. */
export interface Lease {
  readonly bytes: Buffer;
  /** They are sent, or nobody wants them. Does nothing the second time. */
  readonly release: () => void;
}

/** Room for a picture that is about to be read. Call one of both. */
export interface Reservation {
  keep(bytes: Buffer): Lease;
  cancel(): void;
}

interface Kept {
  readonly bytes: Buffer;
  readonly hash: number;
  leases: number;
}

/** No picture may have more of the memory: a few large ones would be all of it. */
const LARGEST_SHARE = 8;
/** A typical picture, for the number of those whose requests are counted. */
const TYPICAL_BYTES = 64 * 1024;
const LEAST_ENTRIES = 64;
/** Requests for each entry after which counts are halved. */
const ASKED_PER_ENTRY = 10;
/** A picture that is asked for once in a walk over many is not kept. */
const LEAST_ASKED = 2;
/**
 * By how many requests a new picture must be ahead of each that makes room for it. In a walk over more
 * pictures than there is room for, again and again, the next one is always one ahead: it would push out those
 * that come next.
 */
const LEAD = 2;
/** Pictures looked at to find room. Those that are being sent cannot make any. */
const MOST_LOOKED_AT = 64;

/**
 * Whole pictures in memory, by the names of their blobs: they are never given other bytes, so nothing must be
 * invalidated. Pictures that are asked for more often push out the one that was not used for longest, if it
 * is asked for less often (as links do, decision 8).
 *
 * A picture that is being sent is not pushed out, so slow clients keep no more in memory than is counted.
 */
export class PictureMemory {
  readonly #maxBytes: number;
  readonly #asked: FrequencySketch;
  /** The least recently used first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  #askedSinceAging = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#asked = new FrequencySketch(Math.max(LEAST_ENTRIES, Math.floor(maxBytes / TYPICAL_BYTES)));
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Somebody asks for a picture: call it once for each request. */
  find(name: string): Lease | undefined {
    this.#count(name);
    const kept = this.#kept.get(name);
    if (kept === undefined) return undefined;
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    return this.#lease(kept);
  }

  /** Room for a picture that is not kept. @returns undefined: others are asked for more often */
  reserve(name: string, bytes: number): Reservation | undefined {
    if (bytes > this.#maxBytes / LARGEST_SHARE || this.#kept.has(name)) return undefined;
    const hash = hashOf(name);
    const asked = this.#asked.estimate(hash);
    if (asked < LEAST_ASKED || !this.#makeRoom(bytes, asked - LEAD)) return undefined;
    this.#bytes += bytes;
    let isOpen = true;
    return {
      keep: (content) => {
        isOpen = false;
        const kept: Kept = { bytes: content, hash, leases: 0 };
        this.#kept.set(name, kept);
        return this.#lease(kept);
      },
      cancel: () => {
        if (isOpen) this.#bytes -= bytes;
        isOpen = false;
      },
    };
  }

  #makeRoom(bytes: number, mostAsked: number): boolean {
    let missing = this.#bytes + bytes - this.#maxBytes;
    const victims: [string, Kept][] = [];
    let looked = 0;
    for (const [name, kept] of this.#kept) {
      if (missing <= 0 || ++looked > MOST_LOOKED_AT) break;
      if (kept.leases > 0) continue;
      if (this.#asked.estimate(kept.hash) > mostAsked) return false;
      victims.push([name, kept]);
      missing -= kept.bytes.length;
    }
    if (missing > 0) return false;
    for (const [name, kept] of victims) {
      this.#kept.delete(name);
      this.#bytes -= kept.bytes.length;
    }
    return true;
  }

  #lease(kept: Kept): Lease {
    kept.leases += 1;
    let isHeld = true;
    return {
      bytes: kept.bytes,
      release: () => {
        if (isHeld) kept.leases -= 1;
        isHeld = false;
      },
    };
  }

  #count(name: string): void {
    const hash = hashOf(name);
    this.#asked.raise(hash, this.#asked.estimate(hash) + 1);
    this.#askedSinceAging += 1;
    if (this.#askedSinceAging < this.#asked.entries * ASKED_PER_ENTRY) return;
    this.#askedSinceAging = 0;
    this.#asked.age();
  }
}

/** FNV-1a. The names end with a hash, so that is enough. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
