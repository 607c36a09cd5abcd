import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { CredentialReads } from '../../../mapper/auth/credential-reads.ts';
import { Problem } from '../../../mapper/http/problem.ts';

/** A store that answers when it is told to, and what is known of it. */
class Store {
  readonly #pending: (() => void)[] = [];
  most = 0;

  readonly read = async (): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#pending.push(() => resolve('known'));
    this.most = Math.max(this.most, this.#pending.length);
    return promise;
  };

  async answerAll(): Promise<void> {
    while (this.#pending.length > 0) {
      this.#pending.shift()?.();
      await nextTurn();
    }
  }
}

function limitOf(left: number) {
  const failures: string[] = [];
  const refusal = new Problem('too-many-requests');
  return {
    failures,
    leftOf: () => left - failures.length,
    refusalOf: () => refusal,
    failed: (client: string) => void failures.push(client),
  };
}

describe('lookups of new credentials', () => {
  it('wait for each other after a start, and none is refused', async () => {
    const store = new Store();
    const reads = new CredentialReads(limitOf(1));
    const all = Array.from({ length: 500 }, async () => reads.run(undefined, store.read));
    await store.answerAll();
    expect(new Set(await Promise.all(all))).to.deep.equal(new Set(['known']));
    expect(store.most).to.equal(128);
  });

  it('of one client wait while those before may be wrong, and are refused when they are', async () => {
    const limit = limitOf(1);
    const reads = new CredentialReads(limit);
    const { promise, reject } = Promise.withResolvers<string>();
    const asked: string[] = [];
    const ask = async (name: string): Promise<unknown> =>
      reads
        .run('client', async () => {
          asked.push(name);
          return promise;
        })
        .catch((error: unknown) => (error as Problem).code);
    const answers = Promise.all([ask('first'), ask('second'), ask('third')]);
    await nextTurn();
    reject(new Problem('bad-credential'));
    expect(await answers).to.deep.equal(['bad-credential', 'too-many-requests', 'too-many-requests']);
    expect([asked, limit.failures]).to.deep.equal([['first'], ['client']]);
  });

  it('that find no place for a second are refused, and take none later', async () => {
    const store = new Store();
    const reads = new CredentialReads(limitOf(1));
    const first = Array.from({ length: 128 }, async () => reads.run(undefined, store.read));
    const late = await reads.run(undefined, store.read).catch((error: unknown) => (error as Problem).code);
    expect(late).to.equal('overloaded');
    await store.answerAll();
    await Promise.all(first);
    const next = reads.run(undefined, store.read);
    await store.answerAll();
    expect(await next).to.equal('known');
  });
});
