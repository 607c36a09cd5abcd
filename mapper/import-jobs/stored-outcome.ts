import { parseJson } from '../../runtime/json.ts';
import type { RefusedLink, TakenLink } from '../import/outcome.ts';
import { faultOf, quote, type Reason } from '../import/reasons.ts';
import { placeOf } from './batch-keys.ts';
import type { OnConflict } from './ports.ts';

/** A link that is stored. */
export interface StoredLink extends TakenLink {
  /** The key with which it is followed. */
  readonly unique_id: string;
  /** `overwritten`: there was a link with this code already, of the same owner. */
  readonly result: 'stored' | 'overwritten';
}

/** What has become of one record of a file. */
export type ImportOutcome = StoredLink | RefusedLink;

/** Why a link is not stored although its file is sound. */
export type Conflict = Extract<Reason, 'taken-code' | 'deleted-link' | 'blocked-link' | 'image-link'>;

/** What became of a link, if it was not simply stored. */
export type Exception = Conflict | 'overwritten';

/** What is remembered of a batch that is done: only the exceptions, by the place of their link. */
export interface BatchOutcome {
  readonly onConflict: OnConflict;
  /** How many links the batch had. */
  readonly links: number;
  readonly exceptions: ReadonlyMap<string, Exception>;
}

const SENTENCES: Readonly<Record<Conflict, string>> = {
  'taken-code': 'there is a link with this code already',
  'deleted-link': 'your link with this code is deleted; restore it, or leave it out',
  'image-link': 'your link with this code is an image, which an import does not change',
  'blocked-link': 'your link with this code is blocked by an administrator',
};

const NO_TAGS = 'tags: left out, because a link without an owner has none';

function toOutcome(
  taken: TakenLink,
  { exception, key, hasOwner }: { exception: Exception | undefined; key: string; hasOwner: boolean },
): ImportOutcome {
  if (exception === undefined || exception === 'overwritten') {
    const hasLostTags = !hasOwner && taken.link.tags.length > 0;
    const notes = hasLostTags ? [...taken.notes, NO_TAGS] : taken.notes;
    return { ...taken, notes, unique_id: key, result: exception ?? 'stored' };
  }
  return toConflict(taken, exception);
}

/** A link that is not stored, because of one that is. */
export function toConflict({ line, row, link }: TakenLink, conflict: Conflict): RefusedLink {
  const message = `${quote(link.code)}: ${SENTENCES[conflict]}`;
  return { line, row, code: link.code, ...faultOf(conflict, 'code', message) };
}

export function formatOutcome({ onConflict, links, exceptions }: BatchOutcome): string {
  return JSON.stringify({ on_conflict: onConflict, links, exceptions: Object.fromEntries(exceptions) });
}

/** The outcome as {@link formatOutcome} wrote it. */
export function parseOutcome(text: string): BatchOutcome {
  const {
    on_conflict: onConflict,
    links,
    exceptions,
  } = parseJson(text) as {
    on_conflict: OnConflict;
    links: number;
    exceptions: Record<string, Exception>;
  };
  return { onConflict, links, exceptions: new Map(Object.entries(exceptions)) };
}

/**
 * Whether a batch that is done must be stored again: codes that were taken are treated otherwise now, or
 * other records of it are taken, because what decides that has changed. Pure.
 */
export function mustRepeat(
  done: BatchOutcome,
  now: { readonly onConflict: OnConflict; readonly links: readonly TakenLink[] },
): boolean {
  const isOtherwise = done.onConflict !== now.onConflict && done.exceptions.size > 0;
  return isOtherwise || done.links !== now.links.length;
}

/** What became of all links of a batch. */
export function toOutcomes(
  links: readonly TakenLink[],
  { exceptions }: BatchOutcome,
  { keyOf, hasOwner }: { readonly keyOf: (link: TakenLink) => string; readonly hasOwner: boolean },
): ImportOutcome[] {
  return links.map((link) =>
    toOutcome(link, { exception: exceptions.get(placeOf(link)), key: keyOf(link), hasOwner }),
  );
}
