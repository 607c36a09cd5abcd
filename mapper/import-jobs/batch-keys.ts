import { parseJson } from '../../runtime/json.ts';
import type { TakenLink } from '../import/outcome.ts';

/** The keys of links that had no code, by their places in the file. */
export type BatchKeys = ReadonlyMap<string, string>;

/** The place of a link in its file, as a text. */
export function placeOf({ row, part }: Pick<TakenLink, 'row' | 'part'>): string {
  return `${row}.${part}`;
}

export function formatKeys(keys: BatchKeys): string {
  return JSON.stringify(Object.fromEntries(keys));
}

/** The keys as {@link formatKeys} wrote them. */
export function parseKeys(text: string): BatchKeys {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null)
    throw new TypeError('the keys of a batch are no JSON object');
  return new Map(Object.entries(value).map(([place, key]) => [place, String(key)]));
}

/** The key of a link of a batch. undefined: the link was not among those that were taken. */
export function keyIn(keys: BatchKeys, taken: TakenLink): string | undefined {
  return taken.link.code ?? keys.get(placeOf(taken));
}

/** Tells the key of each link of a batch. @param text the keys as {@link formatKeys} wrote them */
export function keysOfBatch(text: string): (link: TakenLink) => string {
  const keys = parseKeys(text);
  return (taken) => {
    const key = keyIn(keys, taken);
    if (key === undefined) throw new Error(`the link at ${placeOf(taken)} has no key`);
    return key;
  };
}
