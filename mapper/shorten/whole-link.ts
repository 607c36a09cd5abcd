import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { ClickSums } from '../../db/own-links/read-links.ts';

/** A link with all its fields, in the form of the API. */
export interface WholeLink {
  readonly unique_id: string;
  readonly short_url: string;
  readonly long_url: string;
  readonly created_at: string;
  /** When it was made, if it has never been changed. */
  readonly updated_at: string;
  readonly expiration_date: string | null;
  readonly valid_from: string | null;
  readonly title: string | null;
  readonly tags: string[];
  readonly redirect_type: number;
  readonly forward_query: boolean;
  readonly max_visits: number | null;
  readonly visits_left: number | null;
  readonly has_password: boolean;
  readonly targets: never[];
  readonly disabled: boolean;
  /** The reason of the administrator who has blocked it. */
  readonly blocked: string | null;
  readonly deleted_at: string | null;
  readonly clicks: { readonly total: number; readonly humans: number; readonly bots: number };
  readonly version: number;
}

/** @param clicks how often it was followed */
export function toWholeLink(link: OwnLink, shortUrl: string, clicks: ClickSums): WholeLink {
  return {
    unique_id: link.key,
    short_url: shortUrl,
    long_url: link.longUrl,
    created_at: link.createdAt.toISOString(),
    updated_at: (link.updatedAt ?? link.createdAt).toISOString(),
    expiration_date: link.expiresAt?.toISOString() ?? null,
    valid_from: null,
    title: link.title,
    tags: [...link.tags],
    redirect_type: 302,
    forward_query: false,
    max_visits: null,
    visits_left: link.visitsLeft,
    has_password: false,
    targets: [],
    disabled: link.rules.disabled === true,
    blocked: link.rules.blocked ?? null,
    deleted_at: link.deletedAt?.toISOString() ?? null,
    clicks: { total: clicks.humans + clicks.bots, ...clicks },
    version: link.version,
  };
}

/** A link that has just been made, as its owner sees it. */
export function toNewOwnLink(row: OwnedRow): OwnLink {
  return {
    ...row,
    tags: row.tags.toSorted(),
    updatedAt: null,
    visitsLeft: null,
    deletedAt: null,
    version: 1,
    changedBy: row.requestId,
  };
}
