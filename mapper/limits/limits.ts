import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../runtime/log.ts';
import type { Admission } from '../http/admission.ts';
import { Problem } from '../http/problem.ts';
import type { Reply } from '../http/reply.ts';
import { BlockedClients } from './blocked-clients.ts';
import { findClient, parseAddress, type ClientRules } from './client-address.ts';
import { MissReply, QuotaReply, setQuota } from './limited-reply.ts';
import { MemoryCounts } from './memory-counts.ts';
import {
  createLimit,
  judgeCount,
  LIMIT_NAMES,
  tooManyRequests,
  type Count,
  type Limit,
  type LimitFigures,
  type LimitName,
  type Quota,
} from './rate-policy.ts';

/** Counts over all mappers. */
export interface SharedCounts {
  /** @throws StoreUnavailableError, OutcomeUnknownError */
  hit(name: LimitName, client: string): Promise<Count>;
}

export interface LimitsOptions {
  readonly perMinute: LimitFigures;
  readonly clients: ClientRules;
  /** Undefined: this process counts for itself. */
  readonly shared: SharedCounts | undefined;
  /** Counts refused requests. */
  readonly onRefused: (name: LimitName) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** The client at the other end of a connection. */
export interface Peer {
  /** Undefined: it has no limits. */
  readonly client: string | undefined;
  /** Whether its `X-Forwarded-For` says who the client of a request is. */
  readonly isProxy: boolean;
  readonly address: string | undefined;
}

/** Somebody who has proved who he is. */
interface Proven {
  readonly proof: { readonly kind: 'key'; readonly id: string } | { readonly kind: 'session' };
}

/** An admission that refuses. */
interface Refused extends Admission {
  readonly refusal: Problem;
}

const PEER = Symbol('peer');
type PeerSocket = Socket & { [PEER]?: Peer };

/**
 * What clients may do in a minute. It asks who the client is, counts and judges; the policy itself is in
 * `./rate-policy.ts`.
 */
export class Limits {
  readonly #options: LimitsOptions;
  readonly #limits: Readonly<Record<LimitName, Limit>>;
  readonly #counts: Readonly<Record<LimitName, MemoryCounts>>;
  readonly #blocked: BlockedClients;
  #hasWarned = false;

  constructor(options: LimitsOptions) {
    this.#options = options;
    const { perMinute, now } = options;
    const limit = (name: LimitName): Limit => createLimit(name, perMinute[name]);
    this.#limits = {
      anonymous: limit('anonymous'),
      key: limit('key'),
      'sign-in': limit('sign-in'),
      'not-found': limit('not-found'),
    };
    this.#counts = {
      anonymous: new MemoryCounts(now),
      key: new MemoryCounts(now),
      'sign-in': new MemoryCounts(now),
      'not-found': new MemoryCounts(now),
    };
    this.#blocked = new BlockedClients(now);
  }

  /** Whether there is any limit at all. */
  get isOn(): boolean {
    return LIMIT_NAMES.some((name) => this.#options.perMinute[name] > 0);
  }

  /** Asked once for each connection. */
  peerOf(socket: Socket): Peer {
    const known = (socket as PeerSocket)[PEER];
    if (known !== undefined) return known;
    const { clients } = this.#options;
    const address = parseAddress(socket.remoteAddress ?? '');
    const peer: Peer = {
      client: this.isOn ? findClient(address, undefined, clients) : undefined,
      isProxy: this.isOn && address !== undefined && clients.trusted.has(address),
      address,
    };
    (socket as PeerSocket)[PEER] = peer;
    return peer;
  }

  /** The client for whom a request counts. Undefined: it has no limits. */
  clientOf(request: IncomingMessage): string | undefined {
    const header = request.headers['x-forwarded-for'];
    const peer = this.peerOf(request.socket);
    return header === undefined ? peer.client : this.clientBehind(peer, String(header));
  }

  /** The client of a request with `X-Forwarded-For`. */
  clientBehind(peer: Peer, forwardedFor: string): string | undefined {
    if (!this.isOn) return undefined;
    const { clients, log } = this.#options;
    if (clients.trusted.isEmpty && !this.#hasWarned) {
      this.#hasWarned = true;
      log.warn(
        { peer: peer.address },
        'requests come with X-Forwarded-For, and no proxy is trusted: all clients behind this peer share its limits; if it is your proxy, set KEYMILL_TRUSTED_PROXIES',
      );
    }
    return findClient(peer.address, forwardedFor, clients);
  }

  /** Counts a new link without an owner. A promise only where the counts are shared. Never rejects. */
  admitAnonymous(client: string, reply: Reply): Admission | Promise<Admission> {
    const quota = this.#hit('anonymous', client);
    if (quota === undefined) return { reply, refusal: undefined };
    if (!(quota instanceof Promise)) return this.#admission(quota, reply);
    return quota.then(
      (settled) => this.#admission(settled, reply),
      (error: unknown) => ({ reply, refusal: countsAway(error) }),
    );
  }

  /** Counts a new link of an owner. A promise only where the counts are shared. Never rejects. */
  admitKey(keyId: string, reply: Reply): Admission | Promise<Admission> {
    const quota = this.#hit('key', keyId);
    if (quota === undefined) return { reply, refusal: undefined };
    if (!(quota instanceof Promise)) return this.#admission(quota, reply);
    return quota.then(
      (settled) => this.#admission(settled, reply),
      () => this.#admission(this.#countHere('key', keyId), reply),
    );
  }

  /**
   * Counts a request that Koa answers, and adds what is left to its response.
   * @param who the client, or the id of an API key
   * @throws Problem 429; 503 when it is an anonymous creation and the shared counts are away
   */
  async enforce(name: LimitName, who: string, response: ServerResponse): Promise<void> {
    const quota = await this.#settled(name, who);
    if (quota === undefined) return;
    setQuota(response, quota);
    if (!quota.isAllowed) throw this.#refuse(quota);
  }

  /** Counts a new link whose request Koa answers, for its API key or its address. @throws Problem 429, 503 */
  async enforceCreator(
    request: IncomingMessage,
    response: ServerResponse,
    identity: Proven | undefined,
  ): Promise<void> {
    const client = this.clientOf(request);
    if (client === undefined) return;
    if (identity === undefined) await this.enforce('anonymous', client, response);
    else await this.#enforceKey(identity, response);
  }

  /**
   * Counts a request of the API that Koa answers.
   * @param limit for which a request of nobody who is known counts
   * @throws Problem 429
   */
  async enforceApi(
    request: IncomingMessage,
    response: ServerResponse,
    { identity, limit }: { identity: Proven | undefined; limit: 'anonymous' | 'sign-in' | undefined },
  ): Promise<void> {
    const client = this.clientOf(request);
    if (client === undefined) return;
    if (identity !== undefined) await this.#enforceKey(identity, response);
    else if (limit !== undefined) await this.enforce(limit, client, response);
  }

  async #enforceKey({ proof }: Proven, response: ServerResponse): Promise<void> {
    if (proof.kind === 'key') await this.enforce('key', proof.id, response);
  }

  /** A request for a link, before anything is looked up. @returns undefined when the client may go on */
  admitFollow(client: string, reply: Reply): Refused | undefined {
    const quota = this.#blockedQuota(client);
    if (quota === undefined) return undefined;
    const refusal = this.#refuse(quota);
    return { reply: new QuotaReply(reply, quota, refusal), refusal };
  }

  /** The same for a request that Koa answers. @throws Problem 429 */
  enforceFollow(client: string, response: ServerResponse): void {
    const quota = this.#blockedQuota(client);
    if (quota === undefined) return;
    setQuota(response, quota);
    throw this.#refuse(quota);
  }

  /** Wraps the place of an answer to a request for a link, so that it is counted when there is no link. */
  watch(client: string, reply: Reply): Reply {
    return new MissReply(reply, this.missed, client);
  }

  /** A client has asked for a link that does not exist. */
  readonly missed = (client: string): void => {
    const perMinute = this.#options.perMinute['not-found'];
    if (perMinute === 0) return;
    const blockAfterLast = ({ count, remainingMs }: Count): void => {
      if (count >= perMinute) this.#blocked.block(client, remainingMs);
    };
    blockAfterLast(this.#counts['not-found'].hit(client));
    // Redirects never wait for the shared counts, and go on without them.
    this.#options.shared?.hit('not-found', client).then(blockAfterLast, () => undefined);
  };

  #blockedQuota(client: string): Quota | undefined {
    const remainingMs = this.#blocked.remainingMs(client);
    if (remainingMs === 0) return undefined;
    const limit = this.#limits['not-found'];
    return judgeCount(limit, { count: limit.perMinute + 1, remainingMs });
  }

  async #settled(name: LimitName, who: string): Promise<Quota | undefined> {
    try {
      return await this.#hit(name, who);
    } catch (error) {
      if (name === 'anonymous') throw countsAway(error);
      return this.#countHere(name, who);
    }
  }

  /** People with an account go on while the shared counts are away: this process counts for itself. */
  #countHere(name: LimitName, who: string): Quota {
    return judgeCount(this.#limits[name], this.#counts[name].hit(who));
  }

  #hit(name: LimitName, who: string): Quota | Promise<Quota> | undefined {
    const { shared } = this.#options;
    const limit = this.#limits[name];
    if (limit.perMinute === 0) return undefined;
    if (shared === undefined) return judgeCount(limit, this.#counts[name].hit(who));
    return shared.hit(name, who).then((count) => judgeCount(limit, count));
  }

  #admission(quota: Quota, reply: Reply): Admission {
    return new QuotaReply(reply, quota, quota.isAllowed ? undefined : this.#refuse(quota));
  }

  #refuse(quota: Quota): Problem {
    this.#options.onRefused(quota.limit.name);
    return tooManyRequests(quota);
  }
}

function countsAway(cause: unknown): Problem {
  return new Problem('store-down', {
    detail: 'The store that counts new links cannot be reached just now. With an API key it is not needed.',
    cause,
  });
}
