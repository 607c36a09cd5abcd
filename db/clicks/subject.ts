import type { SqlValue } from '../mysql/driver.ts';

/** Whose clicks are counted: those of one link, or those of all links of an owner on one urls server. */
export type Subject =
  | { readonly kind: 'link'; readonly slot: number; readonly key: string }
  | { readonly kind: 'owner'; readonly userId: bigint };

/** How the rows of a subject are found. The tables of links and of owners differ only in this. */
export interface SubjectRows {
  /** The tables are `click_hours` or `owner_hours`, and so on. */
  readonly prefix: 'click' | 'owner';
  /** A condition of a statement. */
  readonly where: string;
  readonly params: readonly SqlValue[];
}

export function rowsOf(subject: Subject): SubjectRows {
  if (subject.kind === 'owner') return { prefix: 'owner', where: 'user_id = ?', params: [subject.userId] };
  return { prefix: 'click', where: 'slot = ? AND unique_id = ?', params: [subject.slot, subject.key] };
}
