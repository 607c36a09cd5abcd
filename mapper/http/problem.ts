import { KeymillError } from '../../runtime/errors.ts';
import { MAX_BODY_BYTES, MAX_HEADER_BYTES } from './limits.ts';

/** What is wrong with one field of a request, in the request's own spelling. */
export interface FieldError {
  readonly field: string;
  readonly reason: string;
}

export const PROBLEM_TYPE = 'application/problem+json';

const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
} as const;

type ProblemStatus = keyof typeof TITLES;
type Headers = Readonly<Record<string, string>>;

interface CatalogueEntry {
  readonly status: ProblemStatus;
  /** Used when the code that throws gives no detail of its own. */
  readonly detail: string;
  readonly headers?: Headers;
}

/** The next request may be answered differently, so no cache on the way may keep the answer. */
const NO_STORE: Headers = { 'Cache-Control': 'no-store' };
/** Seconds. */
const RETRY: Headers = { 'Retry-After': '1' };
/** RFC 9110, 15.5.2, wants a challenge. Browsers know no such scheme, so they show the page. */
const LINK_PASSWORD: Headers = { ...NO_STORE, 'WWW-Authenticate': 'X-Link-Password' };
const BEARER: Headers = { ...NO_STORE, 'WWW-Authenticate': 'Bearer' };
const ACCEPT_JSON: Headers = { Accept: 'application/json' };

/**
 * Every problem that we answer with. The key is the last part of `type`: programs compare it, so it never
 * changes.
 */
export const PROBLEMS = {
  'malformed-request': { status: 400, detail: 'This is not well-formed HTTP.' },
  'malformed-json': { status: 400, detail: 'The body is not well-formed JSON.' },
  'malformed-form': { status: 400, detail: 'The body is not well-formed multipart/form-data.' },
  incomplete: { status: 400, detail: 'The body ended early.' },
  'bad-host': { status: 400, detail: 'Exactly one Host header with a valid name is needed.' },
  unauthenticated: { status: 401, detail: 'This needs an API key, or a session.', headers: BEARER },
  'bad-credential': {
    status: 401,
    detail: 'The API key or session is not valid: mistyped, expired, revoked, or its user is disabled.',
    headers: BEARER,
  },
  'wrong-password': { status: 401, detail: 'Email or password is wrong.', headers: BEARER },
  'link-password-needed': {
    status: 401,
    detail:
      'This link has a password. Send it in X-Link-Password, or by POST as the field `password` of a form.',
    headers: LINK_PASSWORD,
  },
  'wrong-link-password': {
    status: 401,
    detail: 'This is not the password of this link.',
    headers: LINK_PASSWORD,
  },
  'missing-scope': { status: 403, detail: 'The API key lacks a scope.' },
  'signup-closed': { status: 403, detail: 'Accounts are made by the operator of this service.' },
  'account-disabled': { status: 403, detail: 'This account is disabled.' },
  'foreign-origin': { status: 403, detail: 'A page of another site may not use your session.' },
  'change-blocked': { status: 403, detail: 'An administrator has blocked this link.' },
  'not-found': { status: 404, detail: 'There is nothing here.', headers: NO_STORE },
  'unknown-key': { status: 404, detail: 'There is no such link.', headers: NO_STORE },
  'no-images': { status: 404, detail: 'There are no images here.', headers: NO_STORE },
  'method-not-allowed': { status: 405, detail: 'This method is not allowed here.' },
  'too-slow': { status: 408, detail: 'The request took too long to arrive.' },
  'alias-taken': { status: 409, detail: 'The alias is taken.' },
  'email-taken': { status: 409, detail: 'There is an account with this email already.' },
  'import-not-over': { status: 409, detail: 'This import is not over yet.' },
  'link-expired': { status: 410, detail: 'This link has expired.', headers: NO_STORE },
  'link-deleted': { status: 410, detail: 'This link was deleted.', headers: NO_STORE },
  'link-disabled': { status: 410, detail: 'This link is switched off.', headers: NO_STORE },
  'link-blocked': { status: 410, detail: 'This link is blocked.', headers: NO_STORE },
  'link-unusable': { status: 410, detail: 'The target of this link is unusable.', headers: NO_STORE },
  'link-used-up': {
    status: 410,
    detail: 'This link was followed as often as it may be.',
    headers: NO_STORE,
  },
  'changed-meanwhile': { status: 412, detail: 'The link is not in the state that If-Match names.' },
  'too-large': { status: 413, detail: `The body must not exceed ${MAX_BODY_BYTES} bytes.` },
  'location-too-long': {
    status: 414,
    detail: 'The query is too long to be passed on to the target of this link.',
    headers: NO_STORE,
  },
  'not-json': { status: 415, detail: 'The body must be sent as application/json.', headers: ACCEPT_JSON },
  'not-utf8': { status: 415, detail: 'JSON must be sent in UTF-8.', headers: ACCEPT_JSON },
  'wrong-type': { status: 415, detail: 'The body is of a type that is not understood here.' },
  'not-an-image': {
    status: 415,
    detail: 'These bytes are no JPEG, PNG, GIF, WebP or AVIF picture.',
  },
  'not-form': {
    status: 415,
    detail: 'The password must be sent as application/x-www-form-urlencoded.',
    headers: { Accept: 'application/x-www-form-urlencoded' },
  },
  compressed: {
    status: 415,
    detail: 'Compressed bodies are not understood.',
    headers: { 'Accept-Encoding': 'identity' },
  },
  'range-beyond': { status: 416, detail: 'The range has no byte of the picture.', headers: NO_STORE },
  'expectation-failed': { status: 417, detail: 'Only 100-continue can be expected.' },
  'invalid-request': { status: 422, detail: 'The request has invalid fields.' },
  'damaged-image': { status: 422, detail: 'The picture is damaged.' },
  'too-many-pixels': { status: 422, detail: 'The picture has too many pixels.' },
  'idempotency-key-reused': {
    status: 422,
    detail: 'The same Idempotency-Key was sent with another body before.',
  },
  'too-many-requests': { status: 429, detail: 'Too many requests came in a minute.', headers: NO_STORE },
  'headers-too-large': { status: 431, detail: `The headers must not exceed ${MAX_HEADER_BYTES} bytes.` },
  internal: { status: 500, detail: 'Something went wrong on our side.' },
  'unknown-coding': { status: 501, detail: 'The only transfer coding that is understood is chunked.' },
  'store-down': { status: 503, detail: 'A store cannot be reached just now.', headers: RETRY },
  'not-prefetched': {
    status: 503,
    detail: 'This link answers only when somebody follows it.',
    headers: { ...NO_STORE, ...RETRY },
  },
  'visit-unknown': {
    status: 503,
    detail: 'It is not known whether a visit of this link was used up. You were not redirected.',
    headers: { ...NO_STORE, ...RETRY },
  },
  overloaded: { status: 503, detail: 'Too many requests wait already.', headers: RETRY },
  'no-accounts': { status: 503, detail: 'The users database cannot be reached just now.', headers: RETRY },
  'no-keys': { status: 503, detail: 'There are no keys to give out just now.', headers: RETRY },
  'no-key': { status: 503, detail: 'No free key could be bound in time.', headers: RETRY },
} as const satisfies Record<string, CatalogueEntry>;

export type ProblemKind = keyof typeof PROBLEMS;

export interface ProblemOptions {
  /** Instead of the catalogue's. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** In addition to the catalogue's. */
  readonly headers?: Headers;
  readonly cause?: unknown;
}

/** A problem document. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly errors?: FieldError[];
}

/**
 * An answer that is not a success, in the form of RFC 9457. Any code below a route may throw it; one place
 * writes it.
 */
export class Problem extends KeymillError {
  readonly status: ProblemStatus;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Headers;

  constructor(kind: ProblemKind, options: ProblemOptions = {}) {
    const { status, detail, headers }: CatalogueEntry = PROBLEMS[kind];
    super(kind, options.detail ?? detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.errors = options.errors;
    this.headers = { ...headers, ...options.headers };
  }

  get title(): string {
    return TITLES[this.status];
  }

  /** The body of the answer. */
  toJSON(): ProblemBody {
    return {
      type: `urn:keymill:problem:${this.code}`,
      title: this.title,
      status: this.status,
      detail: this.message,
      ...(this.errors === undefined ? {} : { errors: [...this.errors] }),
    };
  }
}

/** 422 with one entry for each invalid field. */
export function invalidFields(errors: readonly FieldError[]): Problem {
  return new Problem('invalid-request', { errors });
}

/**
 * Any error as an answer. An error that is not a {@link Problem} becomes 500 and reveals nothing about
 * itself.
 */
export function problemOf(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem('internal', { cause: error });
}
