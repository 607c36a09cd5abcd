import type { LinkRules } from './link-rules.ts';

/** A link: the same fields in a request, in a row and in an answer. */
export interface Link {
  readonly key: string;
  /** A WHATWG href: ASCII. */
  readonly longUrl: string;
  readonly createdAt: Date;
  /** null: never. */
  readonly expiresAt: Date | null;
  /** The user chose the key. */
  readonly alias?: boolean;
}

/** A link to bind. */
export interface LinkRow extends Link {
  /** `slotOf(key)`, computed once, when the key is taken or the alias is given. */
  readonly slot: number;
  readonly userId: bigint | null;
  /**
   * 16 bytes as 32 hex digits, new for every request. Shows after a repeated INSERT whether the row is ours
   * or taken.
   */
  readonly requestId: string;
}

/**
 * A link as a redirect needs it. Its `longUrl` is null when it was deleted; the key stays bound permanently.
 */
export type LinkTarget = Pick<Link, 'key' | 'expiresAt'> & {
  readonly longUrl: string | null;
  /** Absent for a plain link, and for one that was deleted. */
  readonly rules?: LinkRules;
  /**
   * Of a link with rules: the id of its last change, or else of the request that made it, in hex digits.
   * Every change gives it another one; visits that are taken do not.
   */
  readonly state?: string;
};

/** A link as it is stored. */
export interface StoredLink extends Pick<Link, 'key' | 'expiresAt' | 'createdAt'> {
  /** null: it was deleted, and its target was cleared since. */
  readonly longUrl: string | null;
  readonly requestId: string;
  readonly deletedAt: Date | null;
}
