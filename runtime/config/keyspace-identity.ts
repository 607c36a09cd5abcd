import { parseJson } from '../json.ts';

/** What tells one keyspace from another. Safe to store and to show. */
export interface KeyspaceIdentity {
  /** Same secret, length and region bits ⇔ same fingerprint. */
  readonly fingerprint: string;
  /** Characters of a key. */
  readonly length: number;
  readonly regionBits: number;
}

/** A stored identity, as far as it can be read. */
export interface StoredIdentity {
  readonly fingerprint: unknown;
  readonly key_length: unknown;
  readonly region_bits: unknown;
}

/** The identity as text. The same identity always has the same text. */
export function formatIdentity({ fingerprint, length, regionBits }: KeyspaceIdentity): string {
  return JSON.stringify({ key_length: length, region_bits: regionBits, fingerprint });
}

/** The record that {@link formatIdentity} writes. Fields that it lacks are undefined. */
export function parseIdentity(text: string): StoredIdentity {
  const json = parseJson(text);
  const fields = typeof json === 'object' && json !== null ? { ...json } : {};
  return { fingerprint: undefined, key_length: undefined, region_bits: undefined, ...fields };
}

/**
 * Why a store with this record does not belong to our keyspace. Undefined when it does.
 *
 * Another length or other region bits also give another fingerprint. They are named first, because a person
 * can correct them.
 */
export function whyForeign(stored: StoredIdentity, ours: KeyspaceIdentity): string | undefined {
  const { key_length: length, region_bits: bits } = stored;
  if (length !== ours.length)
    return `was made for key_length ${show(length)}, ${says('KEY_LENGTH', ours.length)}`;
  if (bits !== ours.regionBits)
    return `was made for region_bits ${show(bits)}, ${says('REGION_BITS', ours.regionBits)}`;
  if (stored.fingerprint !== ours.fingerprint)
    return 'was made with another secret than KEYMILL_KEY_SECRET (fingerprints differ)';
  return undefined;
}

function says(variable: string, value: number): string {
  return `the configuration says ${value} (KEYMILL_${variable})`;
}

function show(value: unknown): string {
  return typeof value === 'number' ? String(value) : '(unreadable)';
}
