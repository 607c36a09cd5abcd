import type { WholeLink } from '../shorten/whole-link.ts';

/** What a cell can say. null: nothing. */
type CellValue = string | number | boolean | null;

/** The columns of an export, in their order. */
const COLUMNS: Readonly<Record<string, (link: WholeLink) => CellValue>> = {
  unique_id: (link) => link.unique_id,
  short_url: (link) => link.short_url,
  long_url: (link) => link.long_url,
  created_at: (link) => link.created_at,
  updated_at: (link) => link.updated_at,
  expiration_date: (link) => link.expiration_date,
  valid_from: (link) => link.valid_from,
  title: (link) => link.title,
  tags: (link) => writeTags(link.tags),
  redirect_type: (link) => link.redirect_type,
  forward_query: (link) => link.forward_query,
  max_visits: (link) => link.max_visits,
  visits_left: (link) => link.visits_left,
  has_password: (link) => link.has_password,
  expired_url: (link) => link.expired_url,
  noindex: (link) => link.noindex,
  targets: (link) => (link.targets.length === 0 ? null : JSON.stringify(link.targets)),
  image: (link) => link.image?.type ?? null,
  disabled: (link) => link.disabled,
  blocked: (link) => link.blocked,
  deleted_at: (link) => link.deleted_at,
  humans: (link) => link.clicks.humans,
  bots: (link) => link.clicks.bots,
  version: (link) => link.version,
};

/** What a spreadsheet takes for a formula, also behind quotes: then one more quote tells them apart. */
const LIKE_FORMULA = /^'*[=+\-@\t\r]/;
const NEEDS_QUOTES = /[",\r\n]|^\s|\s$/;
/** A tag that would be taken apart, or lose a blank, in a list with `|` between the tags. */
const UNPLAIN_TAG = /[|,]|^\[|^\s|\s$/;

/** The first line of a CSV export. */
export const CSV_HEADER = `${Object.keys(COLUMNS).join(',')}\r\n`;

/** A link as a line of NDJSON, which `ndjson` reads. */
export function toNdjsonLine(link: WholeLink): string {
  return `${JSON.stringify(link)}\n`;
}

/**
 * A link as a line of CSV (RFC 4180), which `csv` reads. Texts that a spreadsheet would take for a formula
 * get a `'` in front of them, which reading takes away.
 */
export function toCsvLine(link: WholeLink): string {
  return `${Object.values(COLUMNS)
    .map((read) => toCsvCell(read(link)))
    .join(',')}\r\n`;
}

/** A cell of CSV. */
export function toCsvCell(value: CellValue): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const text = LIKE_FORMULA.test(value) ? `'${value}` : value;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `a|b`, or a JSON list where that would be read as other tags. */
function writeTags(tags: readonly string[]): string | null {
  if (tags.length === 0) return null;
  return tags.some((tag) => UNPLAIN_TAG.test(tag)) ? JSON.stringify(tags) : tags.join('|');
}
