import { KeymillError } from '../../runtime/errors.ts';

/** What is wrong with one field of a request, in the request's own spelling. */
export interface FieldError {
  readonly field: string;
  readonly reason: string;
}

export const PROBLEM_TYPE = 'application/problem+json';

const TITLES = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  422: 'Unprocessable Content',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;

export type ProblemStatus = keyof typeof TITLES;

interface ProblemOptions {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An answer that is not a success, as RFC 9457 wants it told. Thrown anywhere below a route, written in one place. */
export class Problem extends KeymillError {
  readonly status: ProblemStatus;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  /** @param kind stable last part of `type`: what a program compares */
  constructor(status: ProblemStatus, kind: string, detail: string, options: ProblemOptions = {}) {
    super(kind, detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }

  /** The body of the answer. */
  toJSON(): Record<string, unknown> {
    return {
      type: `urn:keymill:problem:${this.code}`,
      title: TITLES[this.status],
      status: this.status,
      detail: this.message,
      ...(this.errors === undefined ? {} : { errors: this.errors }),
    };
  }
}

/** 422 with one entry per field at fault. */
export function invalidFields(errors: readonly FieldError[]): Problem {
  return new Problem(422, 'invalid-request', 'The request has invalid fields.', { errors });
}

/** 503: it will be worth trying again after `retryAfterS` seconds. */
export function unavailable(kind: string, detail: string, retryAfterS = 1, cause?: unknown): Problem {
  return new Problem(503, kind, detail, { headers: { 'Retry-After': String(retryAfterS) }, cause });
}

/** Any error as an answer. What is not a {@link Problem} is 500 and tells nothing of its insides. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(500, 'internal', 'Something went wrong on our side.', { cause: error });
}
