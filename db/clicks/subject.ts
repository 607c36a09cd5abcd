import { slotOf } from '../keyspace/placement.ts';
import { toSqlText } from '../mysql/driver.ts';

/**
 * Of what clicks are counted: of a link, or of all links of an owner on this urls server. Both have the same
 * tables, `click_…` and `owner_…`, which differ in the first columns of their primary keys.
 */
export interface SubjectKind {
  readonly prefix: 'click' | 'owner';
  /** The columns that name a subject. */
  readonly id: string;
  /** The name of a subject as text: the key of a link, or the number of an owner. In SQL. */
  readonly name: string;
  /** The values of the columns that name a subject, in SQL. */
  toId(name: string): string;
}

export const LINK: SubjectKind = {
  prefix: 'click',
  id: 'slot, unique_id',
  name: 'unique_id',
  toId: (key) => `${slotOf(key)},${toSqlText(key)}`,
};

export const OWNER: SubjectKind = {
  prefix: 'owner',
  id: 'user_id',
  name: 'CAST(user_id AS CHAR)',
  toId: (userId) => String(BigInt(userId)),
};

/** A condition that is true for the rows of these subjects. @param ids as from `toId`, not empty */
export function isOneOf(kind: SubjectKind, ids: readonly string[]): string {
  return `(${kind.id}) IN ((${ids.join('),(')}))`;
}
