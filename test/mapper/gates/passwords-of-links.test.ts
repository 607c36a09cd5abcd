import { expect } from 'chai';
import { LinkPasswords } from '../../../mapper/auth/link-passwords.ts';
import { PasswordProcess, type PasswordTask } from '../../../mapper/auth/password-process.ts';
import { RightPasswords } from '../../../mapper/auth/right-passwords.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { createLog } from '../../../runtime/log.ts';

const log = createLog('test', 'link-passwords', 'silent');

describe('passwords that were right', () => {
  it('are known for ten minutes from the last time', () => {
    let nowMs = 0;
    const right = new RightPasswords(() => nowMs);
    expect(right.has('open', 'hash')).to.equal(false);
    right.add('open', 'hash');
    nowMs = 599_999;
    expect([right.has('open', 'hash'), right.has('closed', 'hash')]).to.deep.equal([true, false]);
    expect(right.has('open', 'another hash')).to.equal(false);
    nowMs += 599_999;
    expect(right.has('open', 'hash')).to.equal(true);
    nowMs += 600_000;
    expect(right.has('open', 'hash')).to.equal(false);
    expect(right.size).to.equal(0);
  });

  it('are bounded: those that were right longest ago are forgotten', () => {
    const right = new RightPasswords(() => 0, 2);
    for (const hash of ['one', 'two']) right.add('open', hash);
    expect(right.has('open', 'one')).to.equal(true);
    right.add('open', 'three');
    expect(['one', 'two', 'three'].map((hash) => right.has('open', hash))).to.deep.equal([true, false, true]);
  });
});

describe('the passwords of links', function () {
  this.timeout(60_000);

  it('are compared with their hash, and in any form of the same letters', async () => {
    const process = new PasswordProcess(log);
    try {
      const passwords = new LinkPasswords(process, new RightPasswords(monotonicMs));
      const hash = await passwords.hash('caf\u00e9', null);
      expect(await passwords.matches('cafe', hash, undefined)).to.equal(false);
      expect(await passwords.matches('cafe\u0301', hash, undefined)).to.equal(true);
      expect(await passwords.matches('caf\u00e9', hash, undefined)).to.equal(true);
      expect(await passwords.matches('', hash, undefined)).to.equal(false);
      expect(await passwords.matches('a'.repeat(1_025), hash, undefined)).to.equal(false);
      expect(await passwords.matches('password', await passwords.hash('password', null), undefined)).to.equal(
        true,
      );
    } finally {
      process.close();
    }
  });

  /** Passwords whose hash is their own text; the work ends when a test says so. */
  function controlled() {
    const asked: { task: PasswordTask; end: () => void }[] = [];
    const passwords = new LinkPasswords(
      {
        run: async (task) => {
          await new Promise<void>((end) => asked.push({ task, end }));
          return { isRight: task.password === task.stored };
        },
      },
      new RightPasswords(() => 0),
    );
    return { asked, passwords };
  }

  it('that were right a moment ago need no hash; wrong ones always do', async () => {
    const { asked, passwords } = controlled();
    const first = passwords.matches('open', 'open', undefined);
    asked[0]?.end();
    expect(await first).to.equal(true);
    for (let round = 0; round < 100; round += 1)
      expect(await passwords.matches('open', 'open', undefined)).to.equal(true);
    expect(asked).to.have.length(1);
    const wrong = passwords.matches('closed', 'open', undefined);
    expect(asked).to.have.length(2);
    asked[1]?.end();
    expect(await wrong).to.equal(false);
  });

  it('are hashed once for visitors who send the same one at the same time', async () => {
    const { asked, passwords } = controlled();
    const all = Promise.all(
      Array.from({ length: 200 }, async () => passwords.matches('open', 'open', undefined)),
    );
    expect(asked).to.have.length(1);
    asked[0]?.end();
    expect(new Set(await all)).to.deep.equal(new Set([true]));
  });

  it('of one link take a part of the queue, so that other links are not held up', async () => {
    const { asked, passwords } = controlled();
    const outcomes = Array.from({ length: 100 }, async (_, index) =>
      passwords.matches(`guess ${index}`, 'open', undefined).catch((error: unknown) => error),
    );
    expect(asked).to.have.length(8);
    const another = passwords.matches('other', 'other', undefined);
    expect(asked).to.have.length(9);
    for (const { end } of asked) end();
    expect(await another).to.equal(true);
    const results = await Promise.all(outcomes);
    expect(results.filter((result) => result === false)).to.have.length(8);
    const refusals = results.filter((result) => result !== false) as { status: number; headers: object }[];
    expect(refusals).to.have.length(92);
    expect(refusals[0]?.headers).to.include({ 'Retry-After': '2' });
    expect(refusals[0]?.status).to.equal(503);
    const later = passwords.matches('open', 'open', undefined);
    expect(asked).to.have.length(10);
    asked[9]?.end();
    expect(await later).to.equal(true);
  });
});
