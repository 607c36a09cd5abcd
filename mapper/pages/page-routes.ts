import type { Router, RouterContext } from '@koa/router';
import { callEndpoint, renewCookie, type ApiOptions } from '../api/call-endpoint.ts';
import type { ApiReply, Endpoint, Services } from '../api/endpoint.ts';
import type { NewLink } from '../api/link-making.ts';
import { formatCookie } from '../auth/credential.ts';
import type { Identity } from '../auth/identities.ts';
import { isOwnForm } from '../auth/own-origin.ts';
import { isAllowed } from '../auth/scopes.ts';
import type { Secret } from '../auth/secrets.ts';
import { openBodyStream, type BodyStream } from '../http/body-stream.ts';
import { STREAM_PACE } from '../http/limits.ts';
import { PAGE_TYPE } from '../http/page.ts';
import { wantsPage } from '../http/problem-page.ts';
import { Problem, problemOf } from '../http/problem.ts';
import { isForm, readFormFields } from '../http/read-json.ts';
import { requestIdOf } from '../http/request-id.ts';
import { isForLater, keptForm } from './kept-form.ts';
import { FULL_PAGE_HEADERS, toDocument, type Page, type Site } from './layout.ts';
import { identifyReader, type PageReader } from './page-reader.ts';
import { PageMethods } from './page-methods.ts';
import { PagePaths } from './page-paths.ts';
import { problemPage } from './problem-texts.ts';

/** Leads somewhere else: what follows a form that was carried out. */
export interface SeeOther {
  /** A path of ours. */
  readonly location: string;
  /** A session that begins; null: the session of the request has ended. */
  readonly session?: Secret | null;
}

export type PageReply = (Page & Pick<SeeOther, 'session'>) | SeeOther;

/** The parts of a request for an endpoint; those that it does not declare stay away. */
export interface CallParts {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** What the API gets as JSON. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** What the API gets as a file. */
  readonly stream?: BodyStream;
  /** Which state of a link is to be changed: `If-Match`, which no form can send. */
  readonly headers?: { readonly 'if-match': string };
}

export interface PageRequest extends PageReader {
  readonly ctx: RouterContext;
  /** Of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly services: Services;
  /**
   * Does for the person what an endpoint of the API does, with the same rules: who may, how often, what each
   * field may have.
   * @param name of its declaration
   * @returns its answer: JSON, as the API would send it
   * @throws Problem
   */
  readonly call: (name: string, parts?: CallParts) => Promise<ApiReply<unknown>>;
  /**
   * Makes a link, as `POST /urls` does.
   * @param fields its body
   * @param idempotencyKey makes one link of a form that is sent twice
   * @throws Problem
   */
  readonly make: (fields: Readonly<Record<string, unknown>>, idempotencyKey?: string) => Promise<NewLink>;
}

export interface FormRequest extends PageRequest {
  readonly form: URLSearchParams;
}

/** A form with a file, which is not read yet. */
export interface UploadRequest extends PageRequest {
  readonly stream: BodyStream;
}

export interface RouteOptions {
  /** Whom it is for. `signed-in`: others are sent to sign in. `admin`: others get 403. Default: anyone. */
  readonly for?: 'anyone' | 'signed-in' | 'admin';
  /** Whether the API has the same path: programs get that. Default: everybody gets the page. */
  readonly isShared?: boolean;
  /** Of a form. Default: 64 KiB. */
  readonly maxBytes?: number;
}

const WITH_FILE = 'multipart/form-data';

export interface PageRoutesOptions {
  readonly api: ApiOptions;
  readonly endpoints: readonly Endpoint[];
  readonly site: Site;
}

/**
 * Adds pages and their forms to a router. It lets people in, refuses forms of other sites, and shows problems
 * as pages.
 */
export class PageRoutes {
  readonly site: Site;
  readonly paths: PagePaths;
  readonly #router: Router;
  readonly #options: PageRoutesOptions;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #methods = new PageMethods();

  constructor(router: Router, options: PageRoutesOptions) {
    this.#router = router;
    this.#options = options;
    this.site = options.site;
    this.#endpoints = new Map(options.endpoints.map((endpoint) => [endpoint.name, endpoint]));
    this.paths = new PagePaths(
      options.endpoints.map((endpoint) => endpoint.path).filter((path) => !path.includes('{')),
    );
  }

  /** A page. Its addition must come before that of an endpoint of the same path. */
  get(path: string, options: RouteOptions, show: (request: PageRequest) => Promise<PageReply>): void {
    this.paths.add(path);
    this.#methods.add(path, 'GET', 'HEAD');
    this.#router.get(path, async (ctx, next) => {
      if (this.#isForApi(ctx, path, options, wantsPage(ctx.get('Accept')))) return next();
      return this.#answer(ctx, options, async () => show(await this.#open(ctx, options)));
    });
  }

  /**
   * A form. Only a browser may send it, from a page of ours. It is answered by {@link SeeOther}, or by the
   * page with what is wrong ({@link tryForm}).
   */
  post(path: string, options: RouteOptions, send: (request: FormRequest) => Promise<PageReply>): void {
    this.#methods.add(path, 'POST');
    this.#router.post(path, async (ctx, next) => {
      const isFromBrowser = isForm(ctx.get('Content-Type')) && wantsPage(ctx.get('Accept'));
      if (this.#isForApi(ctx, path, options, isFromBrowser && namesOrigin(ctx))) return next();
      return this.#answer(ctx, options, async () => {
        this.#refuseForeign(ctx, isFromBrowser);
        return this.#carryOut(ctx, options, send);
      });
    });
  }

  /** A form with a file, of type `multipart/form-data`; otherwise like {@link post}. */
  upload(path: string, options: RouteOptions, send: (request: UploadRequest) => Promise<PageReply>): void {
    this.#methods.add(path, 'POST');
    this.#router.post(path, async (ctx, next) => {
      const isFromBrowser = ctx.is(WITH_FILE) === WITH_FILE && wantsPage(ctx.get('Accept'));
      if (this.#isForApi(ctx, path, options, isFromBrowser && namesOrigin(ctx))) return next();
      return this.#answer(ctx, options, async () => {
        this.#refuseForeign(ctx, isFromBrowser);
        const request = await this.#open(ctx, options);
        const stream = openBodyStream(ctx.req, ctx.res, { types: [WITH_FILE], pace: STREAM_PACE });
        return send({ ...request, stream });
      });
    });
  }

  /**
   * Refuses all other methods of the paths that only pages have. It must come after all pages, and before the
   * endpoints of the API, which do this for their paths.
   */
  refuseOthers(): void {
    for (const path of this.#methods.pathsBeside(this.#options.endpoints.map((one) => one.path)))
      this.#router.all(path, async (ctx, next) => {
        const problem = this.#methods.refusalOf(path, ctx.method);
        if (problem === undefined || this.paths.isOther(ctx.path, path)) return next();
        if (!wantsPage(ctx.get('Accept'))) {
          // Programs have nothing at the root, whatever they send.
          if (path === '/') return next();
          throw problem;
        }
        return this.#answer(ctx, { isShared: true }, async () => Promise.reject(problem));
      });
  }

  /** Programs get the API, whatever they accept: no browser sends an API key. */
  #isForApi(ctx: RouterContext, path: string, { isShared }: RouteOptions, isFromBrowser: boolean): boolean {
    const isFromProgram = !isFromBrowser || ctx.req.headers.authorization !== undefined;
    return (isShared === true && isFromProgram) || this.paths.isOther(ctx.path, path);
  }

  /** @throws Problem 403, 415 */
  #refuseForeign(ctx: RouterContext, isFromBrowser: boolean): void {
    if (!isFromBrowser) throw new Problem('wrong-type');
    if (!isOwnForm(ctx.req.headers, this.site.publicUrl)) throw new Problem('foreign-origin');
  }

  /** What was typed outlives a session that has ended, a limit, and a store that is away. */
  async #carryOut(
    ctx: RouterContext,
    options: RouteOptions,
    send: (request: FormRequest) => Promise<PageReply>,
  ): Promise<PageReply> {
    let form: URLSearchParams | undefined;
    try {
      const request = await this.#open(ctx, options);
      form = await readFormFields(ctx.req, ctx.res, options.maxBytes);
      return await send({ ...request, form });
    } catch (error) {
      if (!(error instanceof Problem) || !isForLater(error)) throw error;
      // Of nobody who is known, no more is read than of anybody.
      form ??= await readFormFields(ctx.req, ctx.res).catch(() => undefined);
      const page = form && keptForm(form, error, ctx.path);
      if (page === undefined) throw error;
      return { ...page, ...(error.code === 'bad-credential' && { session: null }) };
    }
  }

  async #answer(ctx: RouterContext, options: RouteOptions, make: () => Promise<PageReply>): Promise<void> {
    const { log, cookieName } = this.#options.api;
    ctx.set({ ...FULL_PAGE_HEADERS });
    if (options.isShared === true) ctx.vary('Accept');
    let reply: PageReply;
    try {
      reply = await make();
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'incomplete') throw error;
      if (problem.status === 500)
        log.error(
          { error, requestId: requestIdOf(ctx), method: ctx.method, path: ctx.path },
          'request failed',
        );
      reply = this.#refusal(ctx, problem);
    }
    if (reply.session !== undefined) ctx.set('Set-Cookie', formatCookie(cookieName, reply.session?.text));
    if ('location' in reply) {
      ctx.status = 303;
      ctx.set('Location', reply.location);
      ctx.body = null;
      // Koa makes it 204.
      ctx.status = 303;
      return;
    }
    ctx.set({ ...reply.headers });
    ctx.status = reply.status ?? 200;
    const { identity } = ctx.state as { identity?: Identity };
    const reader = { identity: reply.session === null ? undefined : identity, path: ctx.path };
    ctx.body = toDocument(reply, this.site, reader);
    ctx.set('Content-Type', PAGE_TYPE);
  }

  /** Somebody whose session has ended may sign in again; anybody else reads what is wrong. */
  #refusal(ctx: RouterContext, problem: Problem): PageReply {
    if (problem.code !== 'bad-credential' && problem.code !== 'unauthenticated') return problemPage(problem);
    return { location: this.#signInPath(ctx), ...(problem.code === 'bad-credential' && { session: null }) };
  }

  /** Where somebody signs in who then goes on with the page that he has asked for, or has sent a form of. */
  #signInPath(ctx: RouterContext): string {
    const isPage = ctx.method === 'GET' || ctx.method === 'HEAD';
    const next = isPage ? ctx.path + ctx.search : this.paths.nearestTo(ctx.path);
    return `/login?${new URLSearchParams(next === undefined ? {} : { next }).toString()}`;
  }

  async #open(ctx: RouterContext, { for: whom = 'anyone' }: RouteOptions): Promise<PageRequest> {
    const { api } = this.#options;
    const { identity, doubt } = await identifyReader(ctx, api, whom === 'anyone');
    ctx.state['identity'] = identity;
    if (whom !== 'anyone' && identity === undefined) throw new Problem('unauthenticated');
    if (whom === 'admin') api.guard.authorise(identity, 'admin');
    if (identity !== undefined) renewCookie(ctx.req, ctx.res, identity, api.cookieName);
    return {
      ctx,
      identity,
      doubt,
      params: { ...ctx.params },
      query: new URLSearchParams(ctx.querystring),
      services: api.services,
      call: async (name, parts = {}) => this.#call(ctx, name, parts),
      make: async (fields, idempotencyKey) => this.#make(ctx, identity, { fields, idempotencyKey }),
    };
  }

  async #make(
    ctx: RouterContext,
    identity: Identity | undefined,
    request: {
      readonly fields: Readonly<Record<string, unknown>>;
      readonly idempotencyKey: string | undefined;
    },
  ): Promise<NewLink> {
    const { guard, limits, services } = this.#options.api;
    await limits.enforceApi(ctx.req, ctx.res, { identity, limit: 'anonymous' });
    guard.authorise(identity, { optional: 'links:create' });
    return services.making.make({ ...request, userId: identity?.userId });
  }

  async #call(ctx: RouterContext, name: string, parts: CallParts): Promise<ApiReply<unknown>> {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new Error(`no endpoint is called ${name}`);
    const reply = await callEndpoint(endpoint, this.#options.api, {
      request: ctx.req,
      response: ctx.res,
      params: parts.params ?? {},
      query: () => parts.query,
      body: async () => Promise.resolve(parts.body ?? {}),
      stream: () => {
        if (parts.stream === undefined) throw new Error(`${name} needs a file`);
        return parts.stream;
      },
      // What the browser sends is about the page.
      headers: parts.headers ?? {},
    });
    if ('isNotModified' in reply || 'content' in reply) throw new Error(`${name} answers no JSON`);
    return reply;
  }
}

/** Whether somebody is an administrator. */
export function isAdmin(identity: Identity | undefined): boolean {
  return identity !== undefined && isAllowed(identity.scopes, 'admin');
}

/** Every browser says of a form where it comes from. */
function namesOrigin({ req: { headers } }: RouterContext): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
}
