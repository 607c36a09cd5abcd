import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { Problem } from '../http/problem.ts';
import type { OwnFields, ShortenRequest } from '../shorten/shorten-request.ts';
import type { WholeLink } from '../shorten/whole-link.ts';

/** A request for a new link of an owner, every field checked. */
export type OwnedRequest = ShortenRequest & { readonly own: OwnFields };

/** A link that was made, or that was there already. */
export interface MadeLink {
  readonly status: 200 | 201;
  readonly row: LinkRow | OwnedRow;
  /** Of a link that was there: all of it, as it is now. */
  readonly now?: WholeLink;
  /** Whether the answer to an earlier request is given again. */
  readonly isReplayed?: boolean;
}

/** One item of a bulk. */
export type Wish =
  /** A new link. It is bound together with others. */
  | { readonly request: OwnedRequest }
  /** A link that is made alone, because more than its INSERT is needed. @throws Problem */
  | { readonly make: () => Promise<MadeLink> }
  /** The item is at fault. It spoils no other. */
  | { readonly problem: Problem };

/** What became of an item. */
export type Outcome = MadeLink | { readonly problem: Problem };
