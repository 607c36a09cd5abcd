import type { RuledTarget } from '../../db/urls/link-rules.ts';
import type { Encoding } from './decode-text.ts';
import type { FormatName } from './formats/format.ts';
import type { Fault, Reason } from './reasons.ts';

/** Where a link leads some visitors: the first that fits. */
export interface ImportedTarget {
  readonly when: RuledTarget['when'];
  readonly long_url: string;
}

/** A link as a file describes it, checked, with the names of the API. Times are RFC 3339 in UTC. */
export interface ImportedLink {
  /** In canonical form (`db/keyspace/foreign-code`). null: the link gets a key of ours. */
  readonly code: string | null;
  /** A code that cannot be kept; the link gets a key of ours in its place. */
  readonly former_code: string | null;
  /** As WHATWG writes it. */
  readonly long_url: string;
  /** null: the file does not say it. */
  readonly created_at: string | null;
  readonly expiration_date: string | null;
  readonly valid_from: string | null;
  readonly title: string | null;
  readonly tags: readonly string[];
  readonly redirect_type: number;
  readonly forward_query: boolean;
  readonly max_visits: number | null;
  readonly visits_left: number | null;
  readonly expired_url: string | null;
  readonly noindex: boolean;
  readonly disabled: boolean;
  readonly targets: readonly ImportedTarget[];
  /** How often it was followed. Files that do not tell bots apart have only humans. */
  readonly clicks: { readonly humans: number; readonly bots: number };
}

/** The place of a record in its file. */
interface Place {
  /** On which the record begins, from 1. */
  readonly line: number;
  /** The number of the record, from 1. null: the fault is one of the file. */
  readonly row: number | null;
  /** Of the values of the record. Absent: none could be read. Nobody is told of it. */
  readonly characters?: number;
}

export interface TakenLink extends Place {
  readonly row: number;
  /** From 0: a record with several codes becomes several links. */
  readonly part: number;
  readonly link: ImportedLink;
  /** What was changed, so that the link can be stored. */
  readonly notes: readonly string[];
}

export interface RefusedLink extends Place, Fault {
  /** The code as the file spells it, where it is known. */
  readonly code: string | null;
}

/** What becomes of one record of a file. No record is without an outcome. */
export type Outcome = TakenLink | RefusedLink;

/** What is known of a file when it has been read. */
export interface Summary {
  readonly format: FormatName | null;
  readonly encoding: Encoding | null;
  /** Of a table. */
  readonly delimiter: string | null;
  readonly records: number;
  readonly taken: number;
  readonly refused: Readonly<Partial<Record<Reason, number>>>;
  /** How many links that were taken had a value in a field that has no place here, by the field's name. */
  readonly left_out: Readonly<Record<string, number>>;
  /** What concerns the file as a whole. */
  readonly notes: readonly string[];
}

/** What is told of a record to those who import it. */
export function toTold(outcome: Outcome): object {
  // JSON leaves it out.
  return { ...outcome, characters: undefined };
}
