import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../runtime/log.ts';
import type { Admission } from '../http/admission.ts';
import { Problem } from '../http/problem.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestFacts } from '../http/request-facts.ts';
import { findClient, parseAddress, type ClientRules } from './client-address.ts';
import { FailureLimit } from './failure-limit.ts';
import { createGuessLimit, GuessLimit } from './guess-limit.ts';
import { MissReply, QuotaReply, setQuota } from './limited-reply.ts';
import { MemoryCounts } from './memory-counts.ts';
import {
  createLimit,
  judgeCount,
  LIMIT_NAMES,
  tooManyRequests,
  type Limit,
  type LimitFigures,
  type LimitName,
  type Quota,
  type SharedCounts,
} from './rate-policy.ts';

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
  /** Whether it is believed what it says about clients, as in `X-Forwarded-For`. */
  readonly isProxy: boolean;
  readonly address: string | undefined;
  /** See `addressOf`: that of its own requests. */
  readonly own: string | undefined;
}

/** Somebody who has proved who he is. */
interface Proven {
  readonly userId: bigint;
  readonly proof: { readonly kind: 'key'; readonly id: string } | { readonly kind: 'session' };
}

/** The limits that are counted before a request is answered. The others count answers. */
type CountedName = Exclude<LimitName, 'bad-credential' | 'not-found' | 'link-password'>;

type Counted = readonly [name: CountedName, who: string];

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
  readonly #limits: Readonly<Record<CountedName, Limit>>;
  readonly #counts: Readonly<Record<CountedName, MemoryCounts>>;
  /** Of API keys and sessions that nobody knows. */
  readonly credentials: FailureLimit;
  /** Of wrong passwords of links. It cannot be configured away. */
  readonly guesses: GuessLimit;
  /** A client has asked for a link that does not exist. */
  readonly missed: (client: string) => void;
  readonly #notFound: FailureLimit;
  readonly #everybody: ClientRules;
  #hasWarned = false;

  constructor(options: LimitsOptions) {
    this.#options = options;
    const { perMinute, shared, onRefused, now } = options;
    this.#everybody = { ...options.clients, limitsLoopback: true };
    const limit = (name: keyof LimitFigures): Limit => createLimit(name, perMinute[name]);
    this.#limits = {
      anonymous: limit('anonymous'),
      key: limit('key'),
      session: limit('session'),
      'sign-in': limit('sign-in'),
    };
    this.#counts = {
      anonymous: new MemoryCounts(now),
      key: new MemoryCounts(now),
      session: new MemoryCounts(now),
      'sign-in': new MemoryCounts(now),
    };
    const failures = (name: keyof LimitFigures): FailureLimit =>
      new FailureLimit({ limit: limit(name), shared, onRefused, now });
    this.credentials = failures('bad-credential');
    this.#notFound = failures('not-found');
    this.guesses = new GuessLimit({
      failures: new FailureLimit({ limit: createGuessLimit(), shared, onRefused, now }),
    });
    this.missed = this.#notFound.failed;
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
      isProxy: address !== undefined && clients.trusted.has(address),
      address,
      own: findClient(address, undefined, this.#everybody),
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

  /** The client whose wrong passwords of links are counted, also where all other limits are off. */
  guesserOf(request: RequestFacts): string | undefined {
    const { clients } = this.#options;
    return findClient(request.peer.remoteAddress, request.header('x-forwarded-for'), clients);
  }

  /** The address of a client, also where it has no limits. Of IPv6 it is that of a network, as `clientOf`. */
  addressOf(
    { address, own }: Pick<Peer, 'address'> & Partial<Pick<Peer, 'own'>>,
    forwardedFor: string | undefined,
  ): string | undefined {
    if (forwardedFor === undefined && own !== undefined) return own;
    return findClient(address, forwardedFor, this.#everybody);
  }

  /** {@link addressOf} of a request. */
  clientAddressOf({ socket, headers }: IncomingMessage): string | undefined {
    const header = headers['x-forwarded-for'];
    return this.addressOf(this.peerOf(socket), header === undefined ? header : String(header));
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
   * Counts a request that Koa answers, and adds what is left to its response: of several limits, the one
   * with the least.
   * @throws Problem 429; 503 when it is an anonymous creation and the shared counts are away
   */
  async #enforce(response: ServerResponse, counted: readonly Counted[]): Promise<void> {
    let tightest: Quota | undefined;
    for (const [name, who] of counted) {
      const quota = await this.#settled(name, who);
      if (quota === undefined) continue;
      if (tightest === undefined || quota.remaining < tightest.remaining || !quota.isAllowed)
        tightest = quota;
      if (!quota.isAllowed) break;
    }
    if (tightest === undefined) return;
    setQuota(response, tightest);
    if (!tightest.isAllowed) throw this.#refuse(tightest);
  }

  /** Counts a new link whose request Koa answers, for its owner or its address. @throws Problem 429, 503 */
  async enforceCreator(
    request: IncomingMessage,
    response: ServerResponse,
    identity: Proven | undefined,
  ): Promise<void> {
    const client = this.clientOf(request);
    if (client === undefined) return;
    await this.#enforce(response, [identity === undefined ? ['anonymous', client] : ownCount(identity)]);
  }

  /**
   * Counts a request of the API that Koa answers.
   * @param limit `anonymous`: for which a request of nobody who is known counts; `sign-in`: it tries a
   *   password, so it counts for the address, and for the account of which it is known
   * @throws Problem 429
   */
  async enforceApi(
    request: IncomingMessage,
    response: ServerResponse,
    { identity, limit }: { identity: Proven | undefined; limit: 'anonymous' | 'sign-in' | undefined },
  ): Promise<void> {
    const client = this.clientOf(request);
    if (client === undefined) return;
    const counted: Counted[] = identity === undefined ? [] : [ownCount(identity)];
    if (limit === 'sign-in') {
      counted.push(['sign-in', client]);
      if (identity !== undefined) counted.push(['sign-in', `user ${identity.userId}`]);
    } else if (limit !== undefined && identity === undefined) counted.push([limit, client]);
    await this.#enforce(response, counted);
  }

  /** A request for a link, before anything is looked up. @returns undefined when the client may go on */
  admitFollow(client: string, reply: Reply): Refused | undefined {
    const quota = this.#notFound.quotaOf(client);
    if (quota === undefined) return undefined;
    const refusal = this.#refuse(quota);
    return { reply: new QuotaReply(reply, quota, refusal), refusal };
  }

  /** The same for a request that Koa answers. @throws Problem 429 */
  enforceFollow(client: string, response: ServerResponse): void {
    const quota = this.#notFound.quotaOf(client);
    if (quota === undefined) return;
    setQuota(response, quota);
    throw this.#refuse(quota);
  }

  /** Wraps the place of an answer to a request for a link, so that it is counted when there is no link. */
  watch(client: string, reply: Reply): Reply {
    return new MissReply(reply, this.missed, client);
  }

  async #settled(name: CountedName, who: string): Promise<Quota | undefined> {
    try {
      return await this.#hit(name, who);
    } catch (error) {
      if (name === 'anonymous') throw countsAway(error);
      return this.#countHere(name, who);
    }
  }

  /** People with an account go on while the shared counts are away: this process counts for itself. */
  #countHere(name: CountedName, who: string): Quota {
    return judgeCount(this.#limits[name], this.#counts[name].hit(who));
  }

  #hit(name: CountedName, who: string): Quota | Promise<Quota> | undefined {
    const { shared } = this.#options;
    const limit = this.#limits[name];
    if (limit.most === 0) return undefined;
    if (shared === undefined) return judgeCount(limit, this.#counts[name].hit(who));
    return shared.hit(limit, who).then((count) => judgeCount(limit, count));
  }

  #admission(quota: Quota, reply: Reply): Admission {
    return new QuotaReply(reply, quota, quota.isAllowed ? undefined : this.#refuse(quota));
  }

  #refuse(quota: Quota): Problem {
    this.#options.onRefused(quota.limit.name);
    return tooManyRequests(quota);
  }
}

/** Where the requests of a key, or of all sessions of a user, are counted. */
function ownCount({ userId, proof }: Proven): Counted {
  return proof.kind === 'key' ? ['key', proof.id] : ['session', String(userId)];
}

function countsAway(cause: unknown): Problem {
  return new Problem('store-down', {
    detail: 'The store that counts new links cannot be reached just now. With an API key it is not needed.',
    cause,
  });
}
