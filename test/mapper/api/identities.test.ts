import type { IncomingHttpHeaders } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { UsersDb } from '../../../db/accounts/users-db.ts';
import { parseCredential, type Credential } from '../../../mapper/auth/credential.ts';
import { judgeRead } from '../../../mapper/auth/credential-reads.ts';
import { Identities, type Identity } from '../../../mapper/auth/identities.ts';
import { KnownKeys } from '../../../mapper/auth/known-keys.ts';
import { formatIdentityChange, parseIdentityChange } from '../../../mapper/auth/identity-change.ts';
import { createApiKey, parseApiKey } from '../../../mapper/auth/secrets.ts';
import { hasKeyShape } from '../../../db/keyspace/alias.ts';
import type { UsersStore } from '../../../mapper/auth/users-store.ts';
import { Problem } from '../../../mapper/http/problem.ts';

const USER = 7n;

/** Identities over a store of one key, which counts the questions and may be away or slow. */
class Bed {
  nowMs = 0;
  isHearing = true;
  isAway = false;
  isRevoked = false;
  reads = 0;
  /** Credentials that may still fail. */
  left = 2;
  readonly secret = createApiKey();
  readonly credential = parseCredential({ authorization: `Bearer ${this.secret.text}` }, 'keymill_session');
  #gate: Promise<void> = Promise.resolve();
  readonly identities = new Identities({
    store: {
      ask: async <T>(work: (db: UsersDb) => Promise<T>) => {
        if (this.isAway) throw new Problem('no-accounts');
        return work(this.#db());
      },
    } as UsersStore,
    limit: {
      leftOf: () => this.left,
      refusalOf: () => new Problem('too-many-requests'),
      failed: () => void (this.left -= 1),
    },
    isHearing: () => this.isHearing,
    onUsed: () => undefined,
    now: () => this.nowMs,
  });

  /** Reads answer with what they have seen, after this is called. */
  holdReads(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  async ask(
    credential: Credential = this.credential,
    client = 'a client',
  ): Promise<Identity | string | undefined> {
    try {
      return await this.identities.identify(credential, client);
    } catch (error) {
      return (error as Problem).code;
    }
  }

  async isAccepted(): Promise<boolean> {
    return typeof (await this.ask()) === 'object';
  }

  #db(): UsersDb {
    const find = async (): Promise<unknown> => {
      this.reads += 1;
      const seen = this.isRevoked
        ? undefined
        : {
            userId: USER,
            isAdmin: false,
            secretHash: this.secret.hash,
            scopes: ['account'],
            expiresAt: null,
            lastUsedAt: null,
          };
      await this.#gate;
      return seen;
    };
    return { keys: { find } } as unknown as UsersDb;
  }
}

describe('identities', () => {
  it('are remembered for 60 s while announcements are heard, and for 1 s while not', async () => {
    const bed = new Bed();
    for (const [isHearing, atMs, reads] of [
      [true, 0, 1],
      [true, 59_999, 1],
      [true, 60_000, 2],
      [false, 60_999, 2],
      [false, 61_000, 3],
      [true, 61_000, 3],
    ] as const) {
      bed.isHearing = isHearing;
      bed.nowMs = atMs;
      expect(await bed.isAccepted()).to.equal(true);
      expect(bed.reads, `at ${atMs} ms`).to.equal(reads);
    }
  });

  it('are found in memory without a wait, and are read again there before their time is over', async () => {
    const bed = new Bed();
    const inMemory = (): bigint | undefined => bed.identities.tryIdentify(bed.credential)?.userId;
    expect(inMemory()).to.equal(undefined);
    await bed.ask();
    for (const [atMs, reads] of [
      [29_999, 1],
      [30_001, 2],
      [60_000, 2],
      [60_002, 3],
    ] as const) {
      bed.nowMs = atMs;
      expect([inMemory(), inMemory()]).to.deep.equal([USER, USER]);
      expect(bed.reads, `at ${atMs} ms`).to.equal(reads);
      await turn();
    }
    bed.isAway = true;
    bed.nowMs = 120_001;
    expect(inMemory()).to.equal(USER);
    await turn();
    bed.nowMs = 120_002;
    expect(inMemory()).to.equal(undefined);
    expect(bed.identities.tryIdentify({ kind: 'malformed' })).to.equal(undefined);
  });

  it('of keys are found by the text of the header, which is forgotten with them', async () => {
    const bed = new Bed();
    const keys = new KnownKeys(bed.identities, 1);
    const header = `Bearer ${bed.secret.text}`;
    const strange = `Bearer ${createApiKey().text}`;
    expect(keys.tryIdentify(header)).to.equal(undefined);
    await bed.ask();
    for (const text of [header, header, strange, `bearer  ${bed.secret.text}`, header, 'Basic x', header]) {
      const isOurs = text !== strange && text !== 'Basic x';
      expect(keys.tryIdentify(text)?.userId, text).to.equal(isOurs ? USER : undefined);
      expect(keys.size, text).to.equal(1);
    }
    bed.identities.forgetUser(USER);
    expect(keys.tryIdentify(header)).to.equal(undefined);
    expect(keys.size).to.equal(0);
    // Of a key with many spellings, one takes a place.
    await bed.ask();
    for (const unusual of [`bearer ${bed.secret.text}`, `Bearer  ${bed.secret.text}`])
      expect([keys.tryIdentify(unusual)?.userId, keys.size]).to.deep.equal([USER, 0]);
  });

  it('in memory end with a revocation that is announced, and with one that the next read meets', async () => {
    for (const isAnnounced of [true, false]) {
      const bed = new Bed();
      await bed.ask();
      bed.isRevoked = true;
      bed.nowMs = 40_000;
      if (isAnnounced) bed.identities.forgetUser(USER);
      else bed.identities.tryIdentify(bed.credential);
      await turn();
      expect(bed.identities.tryIdentify(bed.credential)).to.equal(undefined);
    }
  });

  it('go on for that time while the users database is away; unknown ones are 503', async () => {
    const bed = new Bed();
    await bed.ask();
    bed.isAway = true;
    bed.nowMs = 59_999;
    expect(await bed.isAccepted()).to.equal(true);
    const other = parseCredential({ authorization: `Bearer ${createApiKey().text}` }, 'keymill_session');
    expect(await bed.ask(other)).to.equal('no-accounts');
    bed.nowMs = 60_000;
    expect(await bed.ask()).to.equal('no-accounts');
  });

  it('of one credential share one read, and a change is not hidden by a read that began before it', async () => {
    const bed = new Bed();
    const release = bed.holdReads();
    const early = Promise.all([bed.ask(), bed.ask(), bed.ask()]);
    expect(bed.reads).to.equal(1);
    bed.isRevoked = true;
    bed.identities.forgetUser(USER);
    const late = bed.ask();
    release();
    expect((await early).every((one) => typeof one === 'object')).to.equal(true);
    expect(await late).to.equal('bad-credential');
    expect(await bed.ask()).to.equal('bad-credential');
  });

  it('are forgotten by user, or all', async () => {
    const bed = new Bed();
    await bed.ask();
    bed.identities.forgetUser(8n);
    await bed.ask();
    expect(bed.reads).to.equal(1);
    bed.identities.forgetUser(USER);
    await bed.ask();
    bed.identities.forgetAll();
    await bed.ask();
    expect(bed.reads).to.equal(3);
  });

  it('that nobody has seen to be good are looked up until too many of a client have failed', async () => {
    const bed = new Bed();
    const madeUp = (): Credential =>
      parseCredential({ authorization: `Bearer ${createApiKey().text}` }, 'keymill_session');
    expect(await bed.isAccepted()).to.equal(true);
    for (const answer of ['bad-credential', 'bad-credential', 'too-many-requests', 'too-many-requests'])
      expect(await bed.ask(madeUp())).to.equal(answer);
    expect(bed.reads).to.equal(3);
    // A key that was good is read again, whatever the client has sent.
    bed.identities.forgetAll();
    expect(await bed.isAccepted()).to.equal(true);
    bed.isRevoked = true;
    bed.identities.forgetUser(USER);
    expect(await bed.ask()).to.equal('bad-credential');
    expect(await bed.ask()).to.equal('bad-credential');
    expect(bed.reads).to.equal(5);
  });

  it('that were refused are refused from memory, and count once: others behind the address go on', async () => {
    const bed = new Bed();
    const madeUp = parseCredential({ authorization: `Bearer ${createApiKey().text}` }, 'keymill_session');
    bed.isRevoked = true;
    for (let tries = 0; tries < 5; tries += 1)
      for (const credential of [bed.credential, madeUp])
        expect(await bed.ask(credential)).to.equal('bad-credential');
    expect([bed.reads, bed.left]).to.deep.equal([2, 0]);
    // Until something about a user has changed, or the time of memory is over.
    bed.isRevoked = false;
    bed.left = 1;
    bed.nowMs = 59_999;
    expect(await bed.isAccepted()).to.equal(false);
    bed.identities.forgetUser(8n);
    expect(await bed.isAccepted()).to.equal(true);
    expect(await bed.ask(madeUp)).to.equal('bad-credential');
    bed.left = 1;
    bed.nowMs = 120_000;
    expect(await bed.ask(madeUp)).to.equal('bad-credential');
    expect([bed.reads, bed.left]).to.deep.equal([5, 0]);
  });

  for (const [left, ofClient, ofAll, verdict] of [
    [1, 0, 0, 'go'],
    [1, 0, 127, 'go'],
    [1, 0, 128, 'busy'],
    [1, 1, 1, 'busy'],
    [2, 1, 1, 'go'],
    [0, 0, 0, 'refused'],
    [0, 5, 128, 'refused'],
    [Number.POSITIVE_INFINITY, 0, 127, 'go'],
    [Number.POSITIVE_INFINITY, 0, 128, 'busy'],
  ] as const)
    it(`with ${left} left of the client, which looks up ${ofClient} of ${ofAll}: ${verdict}`, () => {
      expect(judgeRead({ left, ofClient, ofAll })).to.equal(verdict);
    });

  it('need no store for a request without a credential, or with one that cannot be right', async () => {
    const bed = new Bed();
    expect(await bed.ask({ kind: 'none' })).to.equal(undefined);
    expect(await bed.ask({ kind: 'malformed' })).to.equal('bad-credential');
    expect(bed.reads).to.equal(0);
  });
});

describe('credentials', () => {
  const { text } = createApiKey();
  const KINDS: readonly (readonly [IncomingHttpHeaders, string])[] = [
    [{}, 'none'],
    [{ authorization: `Bearer ${text}` }, 'key'],
    [{ authorization: `bearer  ${text}` }, 'key'],
    [{ authorization: `Bearer ${text}x` }, 'malformed'],
    [{ authorization: `Bearer ${text.slice(0, -1)}${text.endsWith('a') ? 'b' : 'a'}` }, 'malformed'],
    [{ authorization: text }, 'malformed'],
    [{ authorization: '' }, 'malformed'],
    [{ authorization: 'Basic YTpi', cookie: `keymill_session=${'a'.repeat(43)}` }, 'malformed'],
    [{ cookie: `a=b; keymill_session=${'a'.repeat(43)}; c=d` }, 'session'],
    [{ cookie: 'keymill_session=a' }, 'malformed'],
    [{ cookie: 'other=1; keymill_sessions=2; =; ;' }, 'none'],
  ];
  for (const [headers, kind] of KINDS)
    it(`${JSON.stringify(headers).replaceAll(text, 'KEY').slice(0, 60)}: ${kind}`, () => {
      expect(parseCredential(headers, 'keymill_session').kind).to.equal(kind);
    });

  it('differ from each other, and one changed character of a key is noticed', () => {
    const keys = Array.from({ length: 500 }, () => createApiKey());
    expect(new Set(keys.map(({ id }) => id)).size).to.equal(500);
    for (const { id, text } of keys) {
      expect(parseApiKey(text)?.id).to.equal(id);
    }
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1);
      expect(parseApiKey(changed), changed).to.equal(undefined);
    }
  });

  it('are announced in a form that no link has', () => {
    const message = formatIdentityChange(USER);
    expect(parseIdentityChange(message)).to.equal(USER);
    expect(hasKeyShape(message)).to.equal(false);
    for (const other of ['abc', '!user', '!user ', '!user x', 'user 7'])
      expect(parseIdentityChange(other)).to.equal(undefined);
  });
});
