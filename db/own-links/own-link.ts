import { hash } from 'node:crypto';
import type { Link } from '../urls/link.ts';
import type { LinkRules } from '../urls/link-rules.ts';

/** What the owner of a link may change. */
export interface LinkState extends Pick<Link, 'longUrl' | 'expiresAt'> {
  readonly title: string | null;
  /** Without duplicates, in any order. They are read in their order as text. */
  readonly tags: readonly string[];
  readonly rules: LinkRules;
}

/** A link as its owner sees it. */
export interface OwnLink extends LinkState {
  readonly key: string;
  readonly slot: number;
  /** null: made without an account, or the account is gone. */
  readonly userId: bigint | null;
  readonly createdAt: Date;
  /** null: never changed. */
  readonly updatedAt: Date | null;
  readonly visitsLeft: number | null;
  readonly deletedAt: Date | null;
  /** 1 for a link that has just been made. Each change adds 1. */
  readonly version: number;
  /** 32 hex digits: the id of the last change, or else of the request that made the link. */
  readonly changedBy: string;
}

/** A change of one link. */
export type LinkChange =
  /** @param mostVisitsLeft of a link with a limit, not more are left then */
  | { readonly kind: 'edit'; readonly state: LinkState; readonly mostVisitsLeft?: number }
  | { readonly kind: 'delete' }
  | { readonly kind: 'restore' };

/** Days for which a deleted link can be restored. After that its target is cleared. */
export const RESTORABLE_DAYS = 30;

/** The place of a link in its owner's list, which runs from the newest to the oldest. */
export interface ListPosition {
  readonly createdAt: Date;
  readonly key: string;
}

/**
 * The order of a list: negative when `a` comes before `b`. Links of one millisecond are ordered by their
 * keys, as `ascii_bin` does.
 */
export function compareListed(a: ListPosition, b: ListPosition): number {
  const byTime = b.createdAt.getTime() - a.createdAt.getTime();
  if (byTime !== 0 || a.key === b.key) return byTime;
  return a.key > b.key ? -1 : 1;
}

/** Whether two states have the same tags, in whatever order. */
export function hasSameTags(a: Pick<LinkState, 'tags'>, b: Pick<LinkState, 'tags'>): boolean {
  return a.tags.length === b.tags.length && new Set(a.tags).isSupersetOf(new Set(b.tags));
}

/** By which an owner's links to one target are found: the first half of its SHA-256. */
export function targetHash(longUrl: string): Buffer {
  return Buffer.from(targetHashHex(longUrl), 'hex');
}

/** The same in hex digits. */
export function targetHashHex(longUrl: string): string {
  return hash('sha256', longUrl, 'hex').slice(0, 32);
}
