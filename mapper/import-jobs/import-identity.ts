import { createHash } from 'node:crypto';
import type { ReadOptions } from '../import/link-reader.ts';

/** What makes two imports the same one. */
export interface ImportIdentity {
  /** SHA-256 of the bytes of the file, 64 hex digits. */
  readonly contentHash: string;
  /** Other values of these make other links, or other links of the same records. */
  readonly options: Pick<ReadOptions, 'from' | 'timezone' | 'dateOrder' | 'domain' | 'isRenaming'>;
  /** null: the links get no owner. */
  readonly ownerId: bigint | null;
}

/**
 * The id of an import, 32 hex digits: equal for equal files that are imported in the same way. What happens
 * to codes that are taken is no part of it, so that it can be decided again for those that were left.
 */
export function importIdOf({ contentHash, options, ownerId }: ImportIdentity): string {
  const { from, timezone, dateOrder, domain, isRenaming } = options;
  const parts = [contentHash, from, timezone, dateOrder, domain, isRenaming === true, `${ownerId ?? ''}`];
  return digest(JSON.stringify(parts.map((part) => part ?? null)));
}

/**
 * The request id of a link, 32 hex digits: that of the same record in a repeated import is the same, so the
 * primary key of `urls` tells that the link is there already.
 */
export function requestIdOf(importId: string, row: number, part: number): string {
  return digest(`${importId}/${row}/${part}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
