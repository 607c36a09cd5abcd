import type { Keyspace } from '../keyspace/key.ts';
import { hasLooseEnd } from '../keyspace/loose-ends.ts';
import { findWords } from '../keyspace/reserved.ts';

/** A key of the counter's region, and its id. */
export interface CounterKey {
  readonly id: number;
  readonly key: string;
}

/**
 * The keys of some ids, in their order. Ids whose key spells a word or has a loose end have none: the same
 * rules as for keys of a keys-db.
 * @throws RangeError outside the region
 */
export function counterKeys(
  { keyspace, region }: { readonly keyspace: Keyspace; readonly region: number },
  firstId: number,
  count: number,
): CounterKey[] {
  const text = keyspace.bytesOf(region, firstId, count).toString('latin1');
  const words = new Set(findWords(text, keyspace.length));
  const stride = keyspace.length + 1;
  const keys: CounterKey[] = [];
  for (let i = 0; i < count; i += 1) {
    const key = text.slice(i * stride, i * stride + keyspace.length);
    if (!words.has(i) && !hasLooseEnd(key)) keys.push({ id: firstId + i, key });
  }
  return keys;
}
