import { Agent } from 'node:http';
import { pauseQuietly } from '../../runtime/retry.ts';
import { tryGet } from '../../scripts/cluster/http.ts';
import { call, type CallOptions, type CallResult, type Method } from './call.ts';

export interface Backend {
  readonly id: string;
  readonly url: string;
  readonly admin: string;
}

export interface BalancedRequest extends Omit<CallOptions, 'agent'> {
  readonly path: string;
}

/** The result of the last attempt, and the id of its backend. */
export type BalancedResult = CallResult & { readonly via: string };

const HEALTH_EVERY_MS = 100;
const HEALTH_TIMEOUT_MS = 1_000;
const MAX_SOCKETS = 512;

interface Member {
  readonly id: string;
  url: string;
  admin: string;
  readonly agent: Agent;
  healthy: boolean;
}

/**
 * Sends requests like a load balancer in front of the mappers: to each in turn, except those whose readyz is
 * not 200. It tries another mapper when a connection is refused, and for a GET also when a kept-alive
 * connection closes before the answer begins. It never repeats any other request that was sent, because it
 * may have been done.
 */
export class Balancer {
  readonly #members: Member[] = [];
  readonly #locate: () => readonly Backend[];
  readonly #stopping = new AbortController();
  readonly #checks: Promise<void>[] = [];
  #turn = 0;

  /**
   * @param locate returns the current addresses: a mapper that was restarted may have a new one, and a cluster
   *   that grows gets more mappers
   */
  constructor(locate: () => readonly Backend[]) {
    this.#locate = locate;
    for (const backend of locate()) this.#add(backend, true);
    this.#checks.push(this.#findNew());
  }

  get backends(): readonly Backend[] {
    return this.#members;
  }

  async send(request: BalancedRequest): Promise<BalancedResult> {
    const tried = new Set<Member>();
    for (;;) {
      const member = this.#choose(tried);
      tried.add(member);
      const result = await this.#ask(member, request);
      const isLast = tried.size === this.#members.length;
      if (isLast || !mayRetry(result, request)) return { ...result, via: member.id };
    }
  }

  /** Sends one request to one backend, also when it is not healthy. */
  async sendTo(id: string, request: BalancedRequest): Promise<BalancedResult> {
    const member = this.#members.find((candidate) => candidate.id === id);
    if (member === undefined) throw new RangeError(`there is no mapper ${id}`);
    return { ...(await this.#ask(member, request)), via: id };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#checks);
    for (const { agent } of this.#members) agent.destroy();
  }

  async #ask({ url, agent }: Member, { path, ...options }: BalancedRequest): Promise<CallResult> {
    return call(`${url}${path}`, { method: methodOf(options), ...options, agent });
  }

  /** The next untried backend in turn that is healthy. If none is healthy, the next untried one. */
  #choose(tried: ReadonlySet<Member>): Member {
    const untried = this.#members.filter((member) => !tried.has(member));
    const healthy = untried.filter((member) => member.healthy);
    const candidates = healthy.length > 0 ? healthy : untried;
    this.#turn += 1;
    const chosen = candidates[this.#turn % candidates.length];
    if (chosen === undefined) throw new RangeError('the balancer has no mapper left to try');
    return chosen;
  }

  async #findNew(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      for (const backend of this.#locate())
        if (!this.#members.some(({ id }) => id === backend.id)) this.#add(backend, false);
      await pauseQuietly(HEALTH_EVERY_MS, this.#stopping.signal);
    }
  }

  #add(backend: Backend, healthy: boolean): void {
    const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
    const member = { ...backend, agent, healthy };
    this.#members.push(member);
    this.#checks.push(this.#watchHealth(member));
  }

  async #watchHealth(member: Member): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const current = this.#locate().find(({ id }) => id === member.id);
      if (current !== undefined) Object.assign(member, { url: current.url, admin: current.admin });
      const answer = await tryGet(`${member.admin}/readyz`, HEALTH_TIMEOUT_MS);
      member.healthy = answer?.status === 200;
      await pauseQuietly(HEALTH_EVERY_MS, this.#stopping.signal);
    }
  }
}

function mayRetry(result: CallResult, request: BalancedRequest): boolean {
  if (result.kind === 'refused') return true;
  return result.kind === 'closed' && methodOf(request) === 'GET';
}

function methodOf({ method, json }: Pick<BalancedRequest, 'method' | 'json'>): Method {
  return method ?? (json === undefined ? 'GET' : 'POST');
}
