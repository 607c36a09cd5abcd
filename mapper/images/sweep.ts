import type { BlobStat } from '../../db/blobs/blob-store.ts';
import type { ImageRow } from '../../db/own-links/image-rows.ts';
import { isEveryRuleKnown } from '../../db/urls/link-rules.ts';
import { THUMBNAIL_SIZES } from '../pictures/decoder.ts';

/** What the name of a blob says. */
export interface ImageBlob {
  readonly key: string;
  readonly sha256: string;
  /** Of a thumbnail. Undefined: the picture itself. */
  readonly size: number | undefined;
}

const NAME = /^images\/(?<key>[A-Za-z0-9_-]{1,255})\/(?<sha256>[0-9a-f]{64})(?:-(?<size>[1-9]\d{0,4}))?$/;

/** @returns undefined: no program of ours gives such a name */
export function parseBlobName(name: string): ImageBlob | undefined {
  const { key, sha256, size } = NAME.exec(name)?.groups ?? {};
  if (key === undefined || sha256 === undefined) return undefined;
  if (size !== undefined && !THUMBNAIL_SIZES.some((known) => known === Number(size))) return undefined;
  return { key, sha256, size: size === undefined ? undefined : Number(size) };
}

/** Why a blob goes. */
export const SWEPT = ['unbound', 'other-link', 'other-bytes', 'deleted', 'expired'] as const;

export type Swept = (typeof SWEPT)[number];

/** Why nobody knows whether a blob is needed. It stays. */
export type Unknown = 'name' | 'not-read' | 'rules';

export type Verdict =
  | { readonly kind: 'keep' }
  | { readonly kind: 'delete'; readonly why: Swept }
  | { readonly kind: 'unknown'; readonly why: Unknown };

/** A blob may be this old before its link is bound. An upload takes minutes at most; clocks differ. */
export const UNBOUND_MS = 86_400_000;

const KEEP: Verdict = { kind: 'keep' };

/**
 * Whether a blob is needed. Pure (docs/decisions/0039).
 * @param row of its key, `undefined`: there is none, and never was one. `'not-read'`: its server was not
 *   asked, did not answer, does not own its slot, or may have lost rows
 * @param nowMs the wall clock
 */
export function judge(
  { name, storedAt }: Pick<BlobStat, 'name' | 'storedAt'>,
  row: ImageRow | 'not-read' | undefined,
  nowMs: number,
): Verdict {
  const blob = parseBlobName(name);
  if (blob === undefined) return { kind: 'unknown', why: 'name' };
  if (row === 'not-read') return { kind: 'unknown', why: 'not-read' };
  const ifOld = (why: Swept): Verdict =>
    nowMs - storedAt.getTime() > UNBOUND_MS ? { kind: 'delete', why } : KEEP;
  if (row === undefined) return ifOld('unbound');
  if (row.isGone) return { kind: 'delete', why: 'deleted' };
  // A newer program wrote them, and knows what it needs.
  if (!isEveryRuleKnown(row.rules)) return { kind: 'unknown', why: 'rules' };
  const { image } = row.rules;
  if (image === undefined) return ifOld('other-link');
  if (image.sha256 !== blob.sha256) return ifOld('other-bytes');
  return row.hasLapsed && row.deletedAt === null ? { kind: 'delete', why: 'expired' } : KEEP;
}
