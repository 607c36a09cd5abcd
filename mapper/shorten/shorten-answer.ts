import { hasLooseEnd } from '../../db/keyspace/loose-ends.ts';
import { NO_CLICKS } from '../../db/own-links/read-links.ts';
import type { Link, LinkRow } from '../../db/urls/link.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Series } from '../../runtime/tallies.ts';
import { AnswerHead, VARIES } from '../http/answer-head.ts';
import { Problem, type FieldError } from '../http/problem.ts';
import type { MapperMetrics } from '../metrics.ts';
import { REPLAYED, type RepeatableAnswer } from './repeatable.ts';
import { toNewOwnLink, toWholeLink, type WholeLink } from './whole-link.ts';

/** The 201. Varying: request id, short URL, length of the body. */
export const CREATED = createHead(201, 'Created', false);
/** The same given again, to a repeated request. */
export const CREATED_BEFORE = createHead(201, 'Created', true);
/** The 200, when there was such a link. */
export const FOUND = createHead(200, 'OK', false);
export const FOUND_BEFORE = createHead(200, 'OK', true);

function createHead(status: number, reason: string, isReplayed: boolean): AnswerHead {
  return new AnswerHead(status, reason, [
    ['X-Request-Id', VARIES],
    ['Location', VARIES],
    ...(isReplayed ? Object.entries(REPLAYED) : []),
    ['Cache-Control', 'no-store'],
    ['Content-Type', 'application/json; charset=utf-8'],
    ['Content-Length', VARIES],
  ]);
}

const LOOSE_END: FieldError = {
  field: 'custom_alias',
  reason: 'begins or ends with - or _, which programs that find links in a text may cut off',
};

interface LinkBody {
  readonly short_url: string;
  readonly unique_id: string;
  readonly long_url: string;
  readonly created_at: string;
  readonly expiration_date: string | null;
  /** Only when there is something to say. The link was made nevertheless. */
  readonly warnings?: readonly FieldError[];
}

function toLinkBody(link: Link, shortUrl: string): LinkBody {
  const body: LinkBody = {
    short_url: shortUrl,
    unique_id: link.key,
    long_url: link.longUrl,
    created_at: isoOf(link.createdAt),
    expiration_date: link.expiresAt?.toISOString() ?? null,
  };
  return link.alias === true && hasLooseEnd(link.key) ? { ...body, warnings: [LOOSE_END] } : body;
}

/**
 * The body of a 201 as ASCII.
 * @param isWhole the whole link; otherwise its five fields
 */
export function formatNewLink(link: LinkRow, shortUrl: string, isWhole: boolean): string {
  if (isWhole) return formatWholeLink(toNewLink(link, shortUrl));
  return link.alias === true ? JSON.stringify(toLinkBody(link, shortUrl)) : formatPoolLink(link, shortUrl);
}

/**
 * The five fields of a link that has no warnings, as `JSON.stringify` writes them, in half of the time. Only
 * a target may have a character that JSON escapes.
 */
function formatPoolLink({ key, longUrl, createdAt, expiresAt }: LinkRow, shortUrl: string): string {
  const expiration = expiresAt === null ? 'null' : `"${expiresAt.toISOString()}"`;
  return (
    `{"short_url":"${shortUrl}","unique_id":"${key}","long_url":${JSON.stringify(longUrl)},` +
    `"created_at":"${isoOf(createdAt)}","expiration_date":${expiration}}`
  );
}

/** The whole link, as its owner sees it, with the warnings of its making. */
export function toNewLink(row: LinkRow, shortUrl: string): WholeLink & Pick<LinkBody, 'warnings'> {
  const { warnings } = toLinkBody(row, shortUrl);
  const whole = toWholeLink(toNewOwnLink(row), shortUrl, NO_CLICKS);
  return warnings === undefined ? whole : { ...whole, warnings };
}

/** As ASCII. */
export function formatWholeLink(link: WholeLink): string {
  return toAscii(JSON.stringify(link));
}

/** JSON allows to escape any character, and the fast path writes one byte for each. */
function toAscii(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

let lastDate = new Date(0);
let lastIso = lastDate.toISOString();

/** The links of one millisecond share a Date object, so its text is built once. */
function isoOf(date: Date): string {
  if (date !== lastDate) {
    lastDate = date;
    lastIso = date.toISOString();
  }
  return lastIso;
}

/** Counts the results of requests for new links, on both paths. */
export class ShortenTally {
  readonly #metrics: MapperMetrics;
  readonly #created: Series;

  constructor(metrics: MapperMetrics) {
    this.#metrics = metrics;
    this.#created = metrics.shortens.series({ result: 'created' });
  }

  /** @param startedMs monotonic time at which the request came in */
  created(startedMs: number): void {
    this.#created.count += 1;
    this.#took(startedMs);
  }

  /** A request that may be sent several times was answered. */
  repeated(result: RepeatableAnswer['result'], startedMs: number): void {
    this.#metrics.shortens.series({ result }).count += 1;
    this.#took(startedMs);
  }

  /** A client that left before its whole request had arrived was not refused, and is not counted. */
  refused(error: unknown, startedMs: number): void {
    if (error instanceof Problem && error.code === 'incomplete') return;
    this.#metrics.shortens.series({ result: resultOf(error) }).count += 1;
    this.#took(startedMs);
  }

  #took(startedMs: number): void {
    this.#metrics.shortenSeconds.observe((monotonicMs() - startedMs) / 1_000);
  }
}

/** The `result` of a request in the metrics. */
export function resultOf(error: unknown): string {
  if (!(error instanceof Problem)) return 'error';
  if (error.status === 503)
    return error.code === 'no-keys' ? 'no_keys' : error.code === 'overloaded' ? 'overloaded' : 'unavailable';
  if (error.status === 429) return 'limited';
  return error.status === 409 ? 'taken' : 'invalid';
}
