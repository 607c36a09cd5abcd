import type { SqlValue } from '../mysql/driver.ts';
import { RESTORABLE_FROM } from './read-links.ts';

/**
 * `disabled` means by the owner or by an administrator, `blocked` only by an administrator; `all` includes
 * deleted links that can be restored, `undeleted` those that are not deleted, followed or not.
 */
export type LinkStateFilter = 'active' | 'expired' | 'disabled' | 'blocked' | 'deleted' | 'undeleted' | 'all';

/** What chooses links in a list, beside the range of places that it looks at. */
export interface LinkChoice {
  readonly state: LinkStateFilter;
  /** A part of the title, the target or the key, in any case. */
  readonly q?: string | undefined;
  /** The host of the target, or a domain above it. As in `URL.hostname`. */
  readonly host?: string | undefined;
}

/** MySQL fails for a text that is no JSON. */
const hasRule = (...fields: string[]): string =>
  `IF(JSON_VALID(u.rules), JSON_CONTAINS_PATH(u.rules, 'one', ${fields.map((field) => `'$.${field}'`).join(', ')}), 0)`;
const IS_DISABLED = hasRule('disabled', 'blocked');
const HAS_EXPIRED = '(u.expires_at IS NOT NULL AND u.expires_at <= UTC_TIMESTAMP(3))';

const STATES: Readonly<Record<LinkStateFilter, string>> = {
  active: `u.deleted_at IS NULL AND NOT ${HAS_EXPIRED} AND NOT ${IS_DISABLED}`,
  expired: `u.deleted_at IS NULL AND ${HAS_EXPIRED}`,
  disabled: `u.deleted_at IS NULL AND ${IS_DISABLED}`,
  blocked: `u.deleted_at IS NULL AND ${hasRule('blocked')}`,
  deleted: `u.deleted_at > ${RESTORABLE_FROM}`,
  undeleted: 'u.deleted_at IS NULL',
  all: `(u.deleted_at IS NULL OR u.deleted_at > ${RESTORABLE_FROM})`,
};

const TARGET = 'COALESCE(u.original_url, u.ruled_url)';
/** In its place, an image has a hash, which nobody has written and nobody sees. */
const IS_ADDRESS = `${TARGET} NOT LIKE 'image:%'`;
/** Host and port of a target. It is a WHATWG href: a slash follows them, and it has no user name. */
const AUTHORITY = `SUBSTRING_INDEX(SUBSTRING_INDEX(${TARGET}, '/', 3), '/', -1)`;
/** Without port, brackets of IPv6 and final dots. */
const HOST = `TRIM(TRAILING '.' FROM
  IF(${AUTHORITY} LIKE '[%', SUBSTRING_INDEX(SUBSTRING(${AUTHORITY}, 2), ']', 1), SUBSTRING_INDEX(${AUTHORITY}, ':', 1)))`;

/** A condition for the row `u` of `urls`. */
export function conditionOf({ state, q, host }: LinkChoice): [sql: string, params: SqlValue[]] {
  const conditions = [STATES[state]];
  const params: SqlValue[] = [];
  if (q !== undefined && q !== '') {
    // Targets and keys are ASCII. In a target, other characters are percent-encoded.
    const ascii = `%${literal(encodeURI(q.toWellFormed()).replaceAll('%25', '%').toLowerCase())}%`;
    conditions.push(
      `(u.title LIKE ? OR (LOWER(${TARGET}) LIKE ? AND ${IS_ADDRESS}) OR LOWER(u.unique_id) LIKE ?)`,
    );
    params.push(`%${literal(q)}%`, ascii, ascii);
  }
  if (host !== undefined) {
    const name = host.replace(/^\[|\]$/g, '').replace(/\.+$/, '');
    // Most rows fail the first comparison, which is the cheapest.
    conditions.push(`${TARGET} LIKE ? AND ${IS_ADDRESS} AND (${HOST} = ? OR ${HOST} LIKE ?)`);
    params.push(`%${literal(name)}%`, name, `%.${literal(name)}`);
  }
  return [conditions.join(' AND '), params];
}

/** In a pattern of LIKE, `%`, `_` and `\` stand for themselves. */
function literal(text: string): string {
  return text.replace(/[\\%_]/g, String.raw`\$&`);
}
