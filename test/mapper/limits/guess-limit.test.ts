import { expect } from 'chai';
import { FailureLimit } from '../../../mapper/limits/failure-limit.ts';
import { createGuessLimit, GuessLimit } from '../../../mapper/limits/guess-limit.ts';

const LINK = 'abc12345';

describe('the limit of wrong passwords of links', () => {
  let nowMs = 0;
  let refused = 0;
  let limit: GuessLimit;

  beforeEach(() => {
    nowMs = 1_000;
    refused = 0;
    limit = new GuessLimit({
      failures: new FailureLimit({
        limit: createGuessLimit(),
        shared: undefined,
        onRefused: () => (refused += 1),
        now: () => nowMs,
      }),
      waitMs: 100,
    });
  });

  /** @returns the status of the answer */
  async function guess(isRight: boolean, client: string | undefined = 'a', link = LINK): Promise<number> {
    try {
      using begun = await limit.begin(link, client);
      // The comparison takes some time.
      await new Promise(setImmediate);
      if (isRight) return 302;
      begun.wrong();
      return 401;
    } catch (error) {
      return (error as { status: number }).status;
    }
  }

  it('is ten in ten minutes for each link and client; right ones do not count', async () => {
    for (let round = 0; round < 20; round += 1) expect(await guess(true)).to.equal(302);
    for (let round = 0; round < 9; round += 1) expect(await guess(false)).to.equal(401);
    expect(await guess(true)).to.equal(302);
    expect(await guess(false)).to.equal(401);
    expect(await guess(true)).to.equal(429);
    expect(await guess(false, 'b')).to.equal(401);
    expect(await guess(false, 'a', 'another1')).to.equal(401);
    nowMs += 599_999;
    expect(await guess(true)).to.equal(429);
    nowMs += 1;
    expect(await guess(true)).to.equal(302);
    expect(refused).to.equal(2);
  });

  it('says when the next guess makes sense', async () => {
    for (let round = 0; round < 10; round += 1) await guess(false);
    nowMs += 60_000;
    const error: unknown = await limit.begin(LINK, 'a').catch((reason: unknown) => reason);
    expect(error).to.deep.include({ status: 429 });
    expect((error as { headers: object }).headers).to.include({
      'Retry-After': '540',
      'RateLimit-Policy': '"link-password";q=10;w=600',
    });
  });

  it('holds for 1,000 guesses at the same time, and lets 1,000 clients who know the password in', async () => {
    const statuses = await Promise.all(Array.from({ length: 1_000 }, async () => guess(false)));
    expect(countsOf(statuses)).to.deep.equal({ 401: 10, 429: 92, 503: 898 });
    const others = Array.from({ length: 1_000 }, async (_, index) => guess(true, `client ${index}`));
    expect(countsOf(await Promise.all(others))).to.deep.equal({ 302: 1_000 });
  });

  it('lets people behind one address in who all know the password', async () => {
    const statuses = await Promise.all(Array.from({ length: 50 }, async () => guess(true)));
    expect(countsOf(statuses)).to.deep.equal({ 302: 50 });
  });

  it('lets nobody wait for long while the passwords before are not compared', async () => {
    using hanging = new DisposableStack();
    for (let count = 0; count < 2; count += 1) hanging.use(await limit.begin(LINK, 'a'));
    const statuses = await Promise.all(Array.from({ length: 150 }, async () => guess(true)));
    // They have guessed nothing.
    expect(countsOf(statuses)).to.deep.equal({ 503: 150 });
    expect(refused).to.equal(0);
    const error: unknown = await limit.begin(LINK, 'a').catch((reason: unknown) => reason);
    expect(error).to.deep.include({ code: 'overloaded', headers: { 'Retry-After': '2' } });
    expect(await guess(true, 'b')).to.equal(302);
  });

  it('lets a client compare two at a time, at whichever links', async () => {
    let [compared, most] = [0, 0];
    const compare = async (index: number): Promise<void> => {
      const begun = await limit.begin(`link ${index % 20}`, 'a');
      compared += 1;
      most = Math.max(most, compared);
      await new Promise(setImmediate);
      compared -= 1;
      begun[Symbol.dispose]();
    };
    await Promise.all(Array.from({ length: 60 }, async (_, index) => compare(index)));
    expect(most).to.equal(2);
  });

  it('is none for a client without limits', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async () => {
        using begun = await limit.begin(LINK, undefined);
        begun.wrong();
        return 401;
      }),
    );
    expect(countsOf(statuses)).to.deep.equal({ 401: 50 });
  });
});

function countsOf(statuses: readonly number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
