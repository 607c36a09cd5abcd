import { z } from 'zod';
import { ENDPOINTS } from '../../../../mapper/api/endpoints.ts';
import type { Endpoint } from '../../../../mapper/api/endpoint.ts';
import { createRandom } from '../../../../runtime/random.ts';
import type { Caller, Stage } from './callers.ts';
import { byLength, rawJson, rawPart, toText, type Draft } from './draft.ts';
import { ENDS, MUTATIONS, type Chance } from './mutations.ts';
import { ODD_TEXTS } from './odd-values.ts';

/** A generated request. */
export interface GeneratedRequest {
  readonly bytes: Buffer;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly caller: Caller;
  /** What makes it unusual. */
  readonly mutations: readonly string[];
  /** Whether it is well-formed HTTP, so that it gets exactly one answer. */
  readonly isFramed: boolean;
}

/** The requests of one connection. Only the last one may be ill-formed HTTP. */
export interface Conversation {
  readonly requests: readonly GeneratedRequest[];
  /** Whether one of them makes the service hash a password, of which few may wait. */
  readonly isCostly: boolean;
}

/** Pages beside the API, which also read what a request says. */
const PAGES: readonly Endpoint[] = (['/users/reset', '/openapi.json', '/docs'] as const).map((path) => ({
  method: 'GET',
  path,
  name: path,
  summary: '',
  group: 'Links',
  access: 'anyone',
  status: 200,
  means: '',
}));

const COSTLY = new Set(
  ENDPOINTS.filter(
    ({ problems, name }) => problems?.includes('overloaded') === true && name !== 'createLink',
  ),
);
/** A password takes as long as a hundred other requests. */
const CHOICE: readonly Endpoint[] = [
  ...ENDPOINTS.flatMap((endpoint) => (COSTLY.has(endpoint) ? [endpoint] : Array<Endpoint>(8).fill(endpoint))),
  ...PAGES,
];

/** Makes conversations from a seed: the same seed and stage, the same requests. */
export class ApiRequestGenerator implements Chance {
  readonly seed: number;
  readonly stage: Stage;
  readonly #random: () => number;
  #count = 0;

  constructor(seed: number, stage: Stage) {
    this.seed = seed;
    this.stage = stage;
    this.#random = createRandom(seed);
  }

  upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.upTo(from.length)] as T;
  }

  next(): Conversation {
    const requests: GeneratedRequest[] = [];
    let isCostly = false;
    for (let left = this.pick([1, 1, 2, 3, 6]); left > 0; left -= 1) {
      const endpoint = this.pick(isCostly ? CHOICE.filter((one) => !COSTLY.has(one)) : CHOICE);
      isCostly ||= COSTLY.has(endpoint);
      const request = this.#request(endpoint, left === 1);
      requests.push(request);
      // A stream of clicks ends when its client has sent FIN, which nobody reads behind a further request.
      if (!request.isFramed || request.target.includes('/clicks/live')) break;
    }
    return { requests, isCostly };
  }

  #request(endpoint: Endpoint, isLast: boolean): GeneratedRequest {
    const caller = this.#caller(endpoint);
    const draft = this.#usual(endpoint, caller);
    const mutations: string[] = [];
    for (let count = this.pick([0, 1, 1, 1, 2, 3]); count > 0; count -= 1) {
      const [name, mutate] = this.pick(MUTATIONS);
      mutations.push(name);
      mutate(draft, this);
    }
    const isFramed = !isLast || this.upTo(6) > 0;
    if (!isFramed) {
      const [name, mutate] = this.pick(ENDS);
      mutations.push(name);
      mutate(draft, this);
      // Whether its answer has a body depends on whether the server has come as far as the method.
      if (draft.method === 'HEAD') draft.method = 'GET';
    }
    const text = toText(draft, isLast && isFramed && this.upTo(2) === 0);
    const [, target = ''] = text.split(' ', 2);
    return { bytes: Buffer.from(text, 'latin1'), method: draft.method, target, caller, mutations, isFramed };
  }

  #caller({ name }: Endpoint): Caller {
    const { good, passing, bad } = this.stage;
    if (this.upTo(8) === 0) return this.pick(bad);
    if (name === 'signOut' || this.upTo(20) === 0) return this.pick(passing);
    return this.pick(good);
  }

  /** A request as a program sends it that has read the documentation. */
  #usual(endpoint: Endpoint, caller: Caller): Draft {
    const { method, path, body, query, conditional, repeatable } = endpoint;
    const draft: Draft = {
      endpoint,
      method,
      path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => this.#param(name, caller)),
      query: [],
      version: '1.1',
      headers: caller.headers.map(([name, value]): [string, string] => [name, value]),
      fields: undefined,
      body: undefined,
      frame: byLength,
    };
    if (query !== undefined)
      for (const name of Object.keys(query.shape))
        if (this.upTo(4) === 0) draft.query.push([name, this.#parameter(name)]);
    if (conditional !== undefined && this.upTo(3) === 0)
      draft.headers.push([
        conditional === 'read' ? 'If-None-Match' : 'If-Match',
        this.pick(['*', '"1-00000000"']),
      ]);
    if (repeatable !== undefined && this.upTo(3) === 0)
      draft.headers.push(['Idempotency-Key', this.pick(['1', '2', `raw-${this.#count}`])]);
    if (body !== undefined) {
      draft.headers.push(['Content-Type', 'application/json']);
      draft.fields = this.#fields(endpoint, caller);
    }
    return draft;
  }

  #fields({ body, example, name: operation }: Endpoint, caller: Caller): [string, string][] {
    this.#count += 1;
    const names = body instanceof z.ZodObject ? Object.keys(body.shape) : [];
    const values: Record<string, unknown> = {
      ...example,
      current: caller.password ?? 'not the password',
      ...(operation === 'signUp' && { email: `made-${this.seed}-${this.#count}@example.com` }),
      ...(operation === 'signIn' && { email: this.stage.email }),
      ...(operation === 'deleteAccount' && { password: caller.password ?? 'not the password' }),
      ...(operation === 'createLink' && this.upTo(3) === 0 && { find_if_exists: true }),
      ...(operation === 'createLink' &&
        this.upTo(3) === 0 && { custom_alias: `raw-${this.seed}-${this.#count}` }),
    };
    return names.flatMap((name): [string, string][] =>
      name in values ? [[rawJson(name), rawJson(values[name])]] : [],
    );
  }

  #param(name: string, { isAdmin }: Caller): string {
    const { keys, keyIds, userIds } = this.stage;
    // An administrator may change the links of others, and a test of this file asks whether they have
    // changed.
    if (name === 'key')
      return this.pick(
        [keys.own, isAdmin ? keys.own : keys.foreign, keys.others].map((some) => this.pick(some)),
      );
    if (name === 'key_id') return this.pick(keyIds);
    if (name === 'user_id') return this.pick(userIds);
    return rawPart(this.pick(['greetings', 't1', 'own', 'none']));
  }

  #parameter(name: string): string {
    if (name === 'cursor') return this.pick(this.stage.cursors);
    if (name === 'limit') return this.pick(['1', '2', '200']);
    if (name === 'state') return this.pick(['active', 'expired', 'disabled', 'deleted', 'all']);
    if (name === 'from' || name === 'to') return '2026-01-01T00:00:00Z';
    return rawPart(this.pick(ODD_TEXTS.slice(0, 20)));
  }
}
