import type { SubjectKind } from './subject.ts';

/** Of what clicks are asked for: of a link, or of all links of an owner on one urls server. */
export interface AskedSubject {
  readonly kind: SubjectKind;
  /** The key of the link, or the number of the owner. */
  readonly name: string;
}

/**
 * A condition that is true for its rows. It can be followed by one for the next column of the primary key.
 */
export function isOf({ kind, name }: AskedSubject): string {
  return `(${kind.id}) = (${kind.toId(name)})`;
}
