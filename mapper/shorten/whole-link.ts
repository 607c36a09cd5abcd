import { visitsLeftOf, type OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { ClickSums } from '../../db/own-links/read-links.ts';
import type { ImageFacts } from '../../db/urls/image-facts.ts';
import { knownRules, type RuledTarget } from '../../db/urls/link-rules.ts';
import type { LinkRow } from '../../db/urls/link.ts';

/** A target for some visitors, in the form of the API. */
interface WholeTarget {
  readonly when: Partial<Record<'device' | 'country' | 'language', string[]>>;
  readonly long_url: string;
}

/** What a link shows that is an image. */
interface WholeImage {
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly image_url: string;
}

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
  readonly expired_url: string | null;
  readonly noindex: boolean;
  readonly targets: WholeTarget[];
  /** null: it is no image. */
  readonly image: WholeImage | null;
  readonly disabled: boolean;
  /** The reason of the administrator who has blocked it. */
  readonly blocked: string | null;
  readonly deleted_at: string | null;
  readonly clicks: { readonly total: number; readonly humans: number; readonly bots: number };
  readonly version: number;
}

/** @param clicks how often it was followed */
export function toWholeLink(
  link: Omit<OwnLink, 'userId' | 'changedBy'>,
  shortUrl: string,
  clicks: ClickSums,
): WholeLink {
  const rules = knownRules(link.rules);
  return {
    unique_id: link.key,
    short_url: shortUrl,
    long_url: rules.image === undefined ? link.longUrl : imageUrlOf(shortUrl),
    created_at: link.createdAt.toISOString(),
    updated_at: (link.updatedAt ?? link.createdAt).toISOString(),
    expiration_date: link.expiresAt?.toISOString() ?? null,
    valid_from: rules.validFrom ?? null,
    title: link.title,
    tags: [...link.tags],
    redirect_type: rules.redirectType ?? 302,
    forward_query: rules.forwardQuery === true,
    max_visits: rules.maxVisits ?? null,
    visits_left: link.visitsLeft,
    has_password: link.rules.passwordHash !== undefined,
    expired_url: rules.expiredUrl ?? null,
    noindex: rules.noindex === true,
    targets: (rules.targets ?? []).map(toWholeTarget),
    image: rules.image === undefined ? null : toWholeImage(rules.image, shortUrl),
    disabled: rules.disabled === true,
    blocked: rules.blocked ?? null,
    deleted_at: link.deletedAt?.toISOString() ?? null,
    clicks: { total: clicks.humans + clicks.bots, ...clicks },
    version: link.version,
  };
}

/** The picture itself. @param shortUrl of the link: the page that shows it */
export function imageUrlOf(shortUrl: string): string {
  return shortUrl.replace(/[^/]*$/, (key) => `images/${key}`);
}

function toWholeImage({ type, width, height, bytes }: ImageFacts, shortUrl: string): WholeImage {
  return { type: `image/${type}`, width, height, bytes, image_url: imageUrlOf(shortUrl) };
}

function toWholeTarget({ when: { device, country, language }, longUrl }: RuledTarget): WholeTarget {
  return {
    when: {
      ...(device && { device: [...device] }),
      ...(country && { country: [...country] }),
      ...(language && { language: [...language] }),
    },
    long_url: longUrl,
  };
}

/** A link that has just been made, as its owner would see it. */
export function toNewOwnLink(row: LinkRow | OwnedRow): OwnLink {
  const own: OwnedRow = 'tags' in row ? row : { ...row, title: null, tags: [], rules: {} };
  return {
    ...own,
    tags: own.tags.toSorted(),
    updatedAt: null,
    visitsLeft: visitsLeftOf(own),
    deletedAt: null,
    version: 1,
    changedBy: row.requestId,
  };
}
