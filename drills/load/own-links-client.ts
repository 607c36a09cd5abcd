import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import type { ChangeEntry, ChangeOutcome, History, OwnLinkState } from '../history/history.ts';
import type { Balancer, BalancedRequest, BalancedResult } from './balancer.ts';

export interface OwnLinksClientOptions {
  readonly balancer: Balancer;
  readonly history: Pick<History, 'nowMs' | 'append'>;
  /** Part of every target, so that two drills never share one. */
  readonly runId: string;
  /** An API key with the scope `links:write`. */
  readonly apiKey: string;
}

/** A link as its owner has just read it. */
export interface OwnLinkRead {
  readonly key: string;
  readonly version: number;
  readonly etag: string;
  readonly state: OwnLinkState;
}

/** A change that can be asked for, by the version that was read. */
export type Wish =
  { readonly kind: 'edit'; readonly target: number } | { readonly kind: 'delete' | 'restore' };

const TIMEOUT_MS = 5_000;
const MS = 1_000;
/** Statuses that say that nothing has changed. A 503 does not say so. */
const REFUSED: readonly number[] = [403, 404, 409, 410, 412, 422];

const Made = z.object({ unique_id: z.string() });
const Whole = z.object({ version: z.number(), long_url: z.string(), deleted_at: z.string().nullable() });
const Changed = z.object({ warnings: z.array(z.object({ reason: z.string() })).optional() });

/**
 * Makes an account on a cluster that is open for everybody.
 * @returns an API key that may read and write its links
 * @throws Error with the answer that was not expected
 */
export async function signUp(balancer: Balancer): Promise<string> {
  const email = `drill-${randomBytes(8).toString('hex')}@example.com`;
  const password = randomBytes(16).toString('hex');
  const account = JSON.stringify({ email, password });
  const post = async (
    path: string,
    json: string,
    headers = {},
  ): Promise<BalancedResult & { kind: 'answer' }> => {
    const result = await balancer.send({ path, json, headers, timeoutMs: TIMEOUT_MS });
    if (result.kind === 'answer' && result.status < 300) return result;
    throw new Error(`${path}: ${result.kind === 'answer' ? `${result.status} ${result.body}` : result.kind}`);
  };
  await post('/users', account);
  const session = await post('/login', account);
  const cookie = session.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const wanted = JSON.stringify({ name: 'drill', scopes: ['links:write'] });
  const made = await post('/users/me/keys', wanted, { cookie });
  return z.object({ secret: z.string() }).parse(parseJson(made.body)).secret;
}

/** The requests of an owner, and redirects of his links. Each is written into the history. */
export class OwnLinksClient {
  readonly #options: OwnLinksClientOptions;
  #targets = 0;

  constructor(options: OwnLinksClientOptions) {
    this.#options = options;
  }

  /** The number of a target that no other link or change has. */
  nextTarget(): number {
    this.#targets += 1;
    return this.#targets;
  }

  /** Makes a link. Undefined when that was not acknowledged. */
  async make(): Promise<string | undefined> {
    const { history } = this.#options;
    const target = this.nextTarget();
    const at = history.nowMs;
    const result = await this.#send({
      path: '/urls',
      json: JSON.stringify({ long_url: this.#urlOf(target) }),
    });
    const made = result.kind === 'answer' ? Made.safeParse(parseJson(result.body)).data : undefined;
    if (made === undefined) return undefined;
    const { unique_id: key } = made;
    this.#record({ kind: 'make', key, base: 0, becomes: { target, isDeleted: false } }, at, result);
    return key;
  }

  /** Asks for a link with this key as its alias. It must be refused if the key has ever had a link. */
  async claim(key: string): Promise<ChangeOutcome> {
    const { history } = this.#options;
    const target = this.nextTarget();
    const at = history.nowMs;
    const json = JSON.stringify({ long_url: this.#urlOf(target), custom_alias: key });
    const result = await this.#send({ path: '/urls', json });
    return this.#record({ kind: 'make', key, base: 0, becomes: { target, isDeleted: false } }, at, result);
  }

  /** Reads a link. A status: there was no such answer; 0: no answer. */
  async read(key: string): Promise<OwnLinkRead | number> {
    const { history } = this.#options;
    const at = history.nowMs;
    const result = await this.#send({ path: `/urls/${key}` });
    if (result.kind !== 'answer') return 0;
    const whole = Whole.safeParse(parseJson(result.body)).data;
    if (result.status !== 200 || whole === undefined) return result.status;
    const { version } = whole;
    const state = {
      target: this.#numberOf(whole.long_url) ?? Number.NaN,
      isDeleted: whole.deleted_at !== null,
    };
    history.append({ op: 'own-read', at, ms: history.nowMs - at, key, version, state, via: result.via });
    return { key, version, state, etag: result.headers.etag ?? '' };
  }

  /** Changes a link if it is still as it was read. */
  async change({ key, version, etag, state }: OwnLinkRead, wish: Wish): Promise<ChangeOutcome> {
    const { history } = this.#options;
    const { kind } = wish;
    const target = kind === 'edit' ? wish.target : state.target;
    const at = history.nowMs;
    const result = await this.#send({
      headers: { 'if-match': etag },
      ...(kind === 'edit' && {
        method: 'PATCH',
        path: `/urls/${key}`,
        json: JSON.stringify({ long_url: this.#urlOf(target) }),
      }),
      ...(kind === 'delete' && { method: 'DELETE', path: `/urls/${key}` }),
      ...(kind === 'restore' && { method: 'POST', path: `/urls/${key}/restore` }),
    });
    const becomes = { target, isDeleted: kind === 'delete' };
    return this.#record({ kind, key, base: version, becomes }, at, result);
  }

  /** Writes down that a deleted link was cleared between these two times. */
  recordPruned({ key, version, state }: OwnLinkRead, at: number): void {
    const { history } = this.#options;
    const becomes = { ...state, isDeleted: true };
    const ms = history.nowMs - at;
    history.append({ op: 'change', kind: 'prune', at, ms, key, base: version, becomes, outcome: 'acked' });
  }

  /**
   * Follows a link through one mapper. False: the mapper takes no connection, and nothing is written down.
   */
  async follow(key: string, mapper: string): Promise<boolean> {
    const { balancer, history } = this.#options;
    const at = history.nowMs;
    const result = await balancer.sendTo(mapper, { path: `/${key}`, timeoutMs: TIMEOUT_MS });
    if (result.kind === 'refused') return false;
    const saw = this.#seen(result);
    history.append({ op: 'follow', at, ms: history.nowMs - at, key, saw, via: mapper });
    return true;
  }

  async followEverywhere(key: string): Promise<void> {
    await Promise.all(this.#options.balancer.backends.map(async ({ id }) => this.follow(key, id)));
  }

  async #send(request: Partial<BalancedRequest>): Promise<BalancedResult> {
    const { balancer, apiKey } = this.#options;
    const headers = { ...request.headers, authorization: `Bearer ${apiKey}` };
    return balancer.send({ path: '/', timeoutMs: TIMEOUT_MS, ...request, headers });
  }

  #record(
    change: Pick<ChangeEntry, 'kind' | 'key' | 'base' | 'becomes'>,
    at: number,
    result: BalancedResult,
  ): ChangeOutcome {
    const { history } = this.#options;
    const outcome = outcomeOf(result);
    history.append({
      op: 'change',
      at,
      ms: history.nowMs - at,
      ...change,
      outcome,
      via: result.via,
      ...(result.kind === 'answer' && { status: result.status }),
      ...(outcome === 'acked' && { lagMs: lagOf(result) }),
    });
    return outcome;
  }

  #urlOf(target: number): string {
    return `https://example.com/drill/${this.#options.runId}/own/${target}`;
  }

  /** The number of one of our targets; undefined: it is none. */
  #numberOf(url: string): number | undefined {
    const number = url.slice(this.#urlOf(0).length - 1);
    return url === this.#urlOf(Number(number)) ? Number(number) : undefined;
  }

  #seen(result: BalancedResult): number | string {
    if (result.kind !== 'answer' || result.status === 503) return 'nothing';
    if (result.status === 410) return 'deleted';
    const { location } = result.headers;
    return location === undefined ? String(result.status) : (this.#numberOf(location) ?? location);
  }
}

function outcomeOf(result: BalancedResult): ChangeOutcome {
  if (result.kind === 'refused') return 'refused';
  if (result.kind !== 'answer') return 'unknown';
  if (result.status >= 200 && result.status < 300) return 'acked';
  return REFUSED.includes(result.status) ? 'refused' : 'unknown';
}

/** For how long, by the answer, other mappers may show an older state. 0: not at all. */
function lagOf(result: BalancedResult): number {
  if (result.kind !== 'answer') return 0;
  const header = result.headers['x-others-may-lag'];
  if (header !== undefined) return Number(header) * MS;
  const { warnings = [] } = Changed.safeParse(parseJson(result.body)).data ?? {};
  const seconds = warnings.map(({ reason }) => Number(/ up to (\d+) s$/.exec(reason)?.[1] ?? 0));
  return Math.max(0, ...seconds) * MS;
}
