import type { RouterContext } from '@koa/router';
import type { ApiOptions } from '../api/call-endpoint.ts';
import { formatCookie } from '../auth/credential.ts';
import type { Identity } from '../auth/identities.ts';
import { Problem } from '../http/problem.ts';

/** Who asks for a page, or sends its form. */
export interface PageReader {
  /** Who is signed in. Undefined: nobody, or nobody who is known. */
  readonly identity: Identity | undefined;
  /**
   * Of something for anyone: why nobody knows who has sent this, though it has a session. That has ended
   * (401), or cannot be looked up (503).
   */
  readonly doubt: Problem | undefined;
}

/**
 * Who is signed in. A page for everybody is also for those whose session has ended, and for all while the
 * users database is away; its form decides for itself.
 * @throws Problem 401, 403, 429, 503
 */
export async function identifyReader(
  ctx: RouterContext,
  { guard, cookieName }: Pick<ApiOptions, 'guard' | 'cookieName'>,
  isForAnyone: boolean,
): Promise<PageReader> {
  try {
    return { identity: await guard.identify(ctx.req), doubt: undefined };
  } catch (error) {
    const isAway = error instanceof Problem && error.status === 503;
    if (!(error instanceof Problem) || !isForAnyone || !(isAway || error.code === 'bad-credential'))
      throw error;
    if (!isAway && ctx.get('Cookie') !== '') ctx.set('Set-Cookie', formatCookie(cookieName, undefined));
    return { identity: undefined, doubt: error };
  }
}
