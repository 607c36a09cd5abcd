import { expect } from 'chai';
import type { Answer } from '../../client.ts';
import { problemKind } from '../api-client.ts';
import { MARK } from './odd-values.ts';

/** Headers that answers of the API and its pages have. */
const HEADERS = new Set(
  [
    'accept accept-encoding accept-ranges allow cache-control connection content-disposition content-length',
    'content-security-policy content-type cross-origin-opener-policy cross-origin-resource-policy date etag',
    'idempotency-replayed keep-alive',
    'last-modified location ratelimit ratelimit-policy referrer-policy retry-after set-cookie transfer-encoding',
    'vary www-authenticate x-accel-buffering x-content-type-options x-others-may-lag x-request-id',
  ].flatMap((line) => line.split(' ')),
);

/** What only our code, our stores or our machine say. */
const INNER = [
  process.cwd(),
  'node_modules',
  '.ts:',
  '    at ',
  'ECONN',
  'mysql',
  'redis://',
  'secret_hash',
  'ruled_url',
  '$scrypt',
  'a secret for tests',
];

/** An error of MySQL. Shorter, it would be in some random key or token. */
const MYSQL_ERROR = /\bER_[A-Z]{2}/;

/** Pages that are HTML, also when they refuse. */
const HTML_PATH =
  /^\/(?:(?:users\/reset|docs|settings|signup|admin\/domains|urls\/-\/new)(?:[/?#]|$)|(?:admin|import)\/?(?:[?#]|$))/;

/** Paths of the API. People get pages there, if they ask for HTML; who says so with a key is a program. */
const API_PATH = /^\/(?:urls|users|login|logout|admin|import|openapi\.json)(?:[/?#]|$)/;
/** Of links that cannot be followed, people are told by a page. */
const PAGE_STATUSES = [401, 404, 410, 429, 503];

/** What is answered beside pages. */
const TYPES = [
  'application/json',
  'application/problem+json',
  'application/x-ndjson',
  'text/csv',
  'text/event-stream',
  'image/svg+xml',
  'image/png',
];

/**
 * Whether an answer is one for people, which the document does not describe.
 * @param sent all that was sent
 */
export function isPageAt(target: string, sent: string, { status, headers }: Answer): boolean {
  const isForPeople = /text\/html/i.test(sent) && !/authorization/i.test(sent);
  if (isForPeople && status === 303) return true;
  const mayBePage =
    isForPeople || HTML_PATH.test(target) || (!API_PATH.test(target) && PAGE_STATUSES.includes(status));
  return mayBePage && headers['content-type']?.startsWith('text/html') === true;
}

export interface Sent {
  /** Path and query. */
  readonly target: string;
  /** All that was sent, latin1. */
  readonly text: string;
  /** What nobody but its owner may be told. */
  readonly secrets?: readonly string[];
}

/**
 * Asserts what is true of every answer, whatever was sent: it is no fault of ours, a refusal is a problem
 * document with its reasons, nothing that was sent is echoed as markup or as a header, and nothing inner or
 * secret is told.
 */
export function expectHarmless(answer: Answer, { target, text: sent, secrets = [] }: Sent): void {
  const { status, headers, text } = answer;
  const what = `${status} ${text}`;
  const type = headers['content-type'] ?? '';
  const isPage = isPageAt(target, sent, answer);
  const isProblem = type === 'application/problem+json';
  // A transfer coding that is not known is answered so (RFC 9112, 6.1).
  if (status === 501) expect(problemKind(answer), what).to.equal('unknown-coding');
  // Of these one user may have few at the same time.
  else if (status === 503 && /^\/urls\/(?:bulk|export)/.test(target))
    expect(problemKind(answer), what).to.equal('overloaded');
  else expect(status, what).to.be.within(200, 499);
  expect(status, `all was sent at once: ${what}`).not.to.equal(408);
  if (!isPage) expect(status >= 400 && text !== '', what).to.equal(isProblem && text !== '');
  if (isProblem && text !== '') expectReasons(answer);
  for (const [name, value] of Object.entries(headers)) {
    expect(HEADERS.has(name), `${what}: ${name}`).to.equal(true);
    // Where somebody goes on after a sign-in is his own path, percent-encoded.
    const isWayBack = name === 'location' && status === 303 && String(value).startsWith('/login?next=%2F');
    if (!isWayBack) expect(String(value), `${what}: ${name}`).not.to.include(MARK);
  }
  if (isPage) {
    // Only fields of forms show again what was typed, as text.
    expect(text.replaceAll(/ value="[^"<>]*"/g, ''), what).not.to.include(MARK);
  } else if (text !== '' && !target.startsWith('/docs')) {
    const [plain = ''] = type.split(';');
    expect(plain, what).to.be.oneOf(TYPES);
    if (plain === 'application/x-ndjson') for (const line of text.split('\n').slice(0, -1)) JSON.parse(line);
    else if (plain.endsWith('json')) answer.json();
    else if (plain.startsWith('image/')) expect(text, what).not.to.include(MARK);
  }
  if (target.startsWith('/docs')) return;
  const told = JSON.stringify(headers) + text;
  for (const secret of [...INNER, ...secrets])
    if (told.includes(secret) && !sent.includes(secret)) expect.fail(`tells ${secret}: ${told}`);
  if (!MYSQL_ERROR.test(sent)) expect(told).not.to.match(MYSQL_ERROR);
}

function expectReasons(answer: Answer): void {
  const { status, text } = answer;
  const problem = answer.json();
  expect(problem, text).to.include.all.keys('type', 'title', 'status', 'detail');
  expect(problem['status'], text).to.equal(status);
  expect(problem['detail'], text).to.be.a('string').and.not.equal('');
  if (status !== 422) return;
  const errors = problem['errors'] as readonly { field: unknown; reason: unknown }[];
  expect(errors, text).to.be.an('array').and.not.have.length(0);
  for (const { field, reason } of errors) {
    expect(field, text).to.be.a('string');
    expect(reason, text).to.be.a('string').and.not.equal('');
  }
}
