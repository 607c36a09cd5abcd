import { slotOf } from '../keyspace/placement.ts';
import type { LinkInEvent } from '../outbox/link-events.ts';
import { parseRules } from '../urls/link-rules.ts';
import type { OwnLink } from './own-link.ts';
import type { ClickSums } from './read-links.ts';

/** A link as it was when something happened to it, without the id of its last change. */
export type LinkThen = Omit<OwnLink, 'userId' | 'changedBy'>;

/**
 * Reads the body of an event of a link.
 * @param body as `toLinkEvents` has written it
 */
export function parseLinkInEvent(body: string): { readonly link: LinkThen; readonly clicks: ClickSums } {
  const stored = JSON.parse(body) as LinkInEvent;
  const link: LinkThen = {
    key: stored.key,
    slot: slotOf(stored.key),
    longUrl: stored.long_url ?? '',
    createdAt: new Date(stored.created_at),
    updatedAt: toDate(stored.updated_at),
    expiresAt: toDate(stored.expires_at),
    title: stored.title,
    tags: parseTags(stored.tags),
    rules: stored.rules === null ? {} : parseRules(stored.rules),
    visitsLeft: stored.visits_left,
    deletedAt: toDate(stored.deleted_at),
    version: stored.version,
  };
  return { link, clicks: { humans: Number(stored.humans), bots: Number(stored.bots) } };
}

function toDate(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

/** In their order as text, byte by byte, as the server sorts them elsewhere. */
function parseTags(text: string | null): string[] {
  const tags = text === null ? [] : (JSON.parse(text) as string[]);
  // Hexadecimal digits are in the same order as the bytes.
  return tags.sort().map((hex) => Buffer.from(hex, 'hex').toString());
}
