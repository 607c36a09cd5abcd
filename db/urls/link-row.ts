/** A link to bind. */
export interface LinkRow {
  readonly key: string;
  /** `slotOf(key)`, computed once, when the key is taken or the alias is given. */
  readonly slot: number;
  /** A WHATWG href: ASCII. */
  readonly originalUrl: string;
  readonly userId: number | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /**
   * 16 bytes as 32 hex digits, new for every request. Shows after a repeated INSERT whether the row is ours
   * or taken.
   */
  readonly requestId: string;
  /** The user chose the key. */
  readonly alias?: boolean;
}
