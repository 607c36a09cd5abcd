import type { IncomingMessage } from 'node:http';
import { Problem } from '../http/problem.ts';
import { missingScope } from './accounts.ts';
import { formatCookie, parseCredential } from './credential.ts';
import type { Identities, Identity } from './identities.ts';
import { isOwnOrigin } from './own-origin.ts';
import { isAllowed, type Scope } from './scopes.ts';

/**
 * Who may send a request. `anyone`: nobody looks at its credential. A scope: only who has it. `optional`:
 * also somebody without any credential.
 */
export type Access = 'anyone' | Scope | { readonly optional: Scope };

export interface GuardOptions {
  readonly identities: Identities;
  /** The client for whom a request counts. Undefined: it has no limits. */
  readonly clientOf: (request: IncomingMessage) => string | undefined;
  readonly cookieName: string;
  /** Origin of this service as browsers see it. */
  readonly publicUrl: string;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Lets requests in, or refuses them. */
export class Guard {
  readonly #options: GuardOptions;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /**
   * Who sent a request, whatever he may do. Undefined: it has no credential.
   * @throws Problem 401 a bad credential, 403 another site's page sent it, 429 too many bad ones, 503
   */
  async identify(request: IncomingMessage): Promise<Identity | undefined> {
    const { identities, clientOf, cookieName } = this.#options;
    const { headers } = request;
    let identity: Identity | undefined;
    try {
      identity = await identities.identify(parseCredential(headers, cookieName), clientOf(request));
    } catch (error) {
      throw headers.authorization === undefined ? withoutCookie(error, cookieName) : error;
    }
    if (identity?.proof.kind === 'session') this.#refuseForeignPages(request);
    return identity;
  }

  /**
   * Whether somebody may do what is open for `access`.
   * @param identity of {@link identify}
   * @throws Problem 401 nobody who is known, 403 a scope is missing
   */
  authorise(identity: Identity | undefined, access: Exclude<Access, 'anyone'>): void {
    const scope = typeof access === 'string' ? access : access.optional;
    if (identity === undefined) {
      if (typeof access === 'string') throw new Problem('unauthenticated');
      return;
    }
    if (!isAllowed(identity.scopes, scope)) throw missingScope(scope);
  }

  /**
   * A browser adds the cookie of a session to whatever a page makes it send. It says which site the page is
   * from, and only our own may change something.
   */
  #refuseForeignPages({ method = '', headers }: IncomingMessage): void {
    if (SAFE.has(method)) return;
    const { origin } = headers;
    const isForeign = origin !== undefined && !isOwnOrigin(origin, headers, this.#options.publicUrl);
    if (isForeign || headers['sec-fetch-site'] === 'cross-site') throw new Problem('foreign-origin');
  }
}

/** A browser would send the cookie of a session that has ended for ever, so the answer takes it away. */
function withoutCookie(error: unknown, cookieName: string): unknown {
  if (!(error instanceof Problem) || error.code !== 'bad-credential') return error;
  return new Problem('bad-credential', { headers: { 'Set-Cookie': formatCookie(cookieName, undefined) } });
}
