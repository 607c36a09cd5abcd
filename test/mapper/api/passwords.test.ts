import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { expect } from 'chai';
import { hashPassword, hasHash } from '../../../mapper/auth/password-hash.ts';
import { NO_PASSWORD, whyPasswordRefused } from '../../../mapper/auth/password-rules.ts';
import { LinkPasswords } from '../../../mapper/auth/link-passwords.ts';
import { PasswordProcess } from '../../../mapper/auth/password-process.ts';
import { Passwords } from '../../../mapper/auth/passwords.ts';
import type { Problem } from '../../../mapper/http/problem.ts';
import { createLog } from '../../../runtime/log.ts';
import { until } from '../../until.ts';
import { countEach } from '../visits/ruled-links.ts';

const log = createLog('test', 'passwords', 'silent');

describe('password hashes', () => {
  it('are argon2id in PHC form, each with its own salt', async () => {
    const [first, second] = [await hashPassword('a password'), await hashPassword('a password')];
    expect(first).to.match(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(first).not.to.equal(second);
    expect([await hasHash('a password', first), await hasHash('another', first)]).to.deep.equal([
      true,
      false,
    ]);
  });

  it('say with which parameters they were made (the reference implementation made this one)', async () => {
    const stored = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
    expect(await hasHash('password', stored)).to.equal(true);
    expect(await hasHash('Password', stored)).to.equal(false);
  });

  it('that are none fit no password', async () => {
    for (const stored of ['', '!', '$2b$10$abc', NO_PASSWORD, NO_PASSWORD.slice(0, -30)])
      expect(await hasHash('', stored)).to.equal(false);
  });
});

describe('the rules for passwords', () => {
  for (const [password, reason] of [
    ['123456789', /at least 10/],
    ['1234567890', undefined],
    ['🌍🌍🌍🌍🌍', /at least 10/],
    ['🌍🌍🌍🌍🌍🌍🌍🌍🌍🌍', undefined],
    ['a'.repeat(1_024), undefined],
    ['a'.repeat(1_025), /1024 bytes/],
    ['a lone one \ud800', /well-formed/],
  ] as const)
    it(`${JSON.stringify(password.slice(0, 20))} (${password.length}): ${reason === undefined ? 'fine' : reason.source}`, () => {
      const refused = whyPasswordRefused(password);
      if (reason === undefined) expect(refused).to.equal(undefined);
      else expect(refused).to.match(reason);
    });
});

describe('the process that hashes passwords', () => {
  let process: PasswordProcess;
  let passwords: Passwords;

  beforeEach(() => {
    process = new PasswordProcess(log);
    passwords = new Passwords(process);
  });

  afterEach(() => process.close());

  /** The child of this process that hashes. */
  function findChild(): number | undefined {
    return findWithNice()?.pid;
  }

  /** Its niceness is as `ps` shows it: a process that runs when the machine is idle has none. */
  function findWithNice(): { pid: number; nice: string | undefined } | undefined {
    const list = execFileSync('ps', ['-eo', 'pid,ppid,ni,args'], { encoding: 'utf8' });
    const line = list
      .split('\n')
      .find((one) => one.includes('password-main.ts') && one.includes(` ${globalThis.process.pid} `));
    if (line === undefined) return undefined;
    const [pid, , nice] = line.trim().split(/\s+/);
    return { pid: Number(pid), nice };
  }

  /** One whose tasks may wait for long, as on a busy machine. */
  function patient(): PasswordProcess {
    process.close();
    return new PasswordProcess(log, {
      waitMs: 20_000,
      answerMs: { idle: 500, lowest: 8_000, ordinary: 8_000 },
    });
  }

  it('works at the lowest priority, and refuses common passwords in any case', async function () {
    this.timeout(60_000);
    process = patient();
    passwords = new Passwords(process);
    const hash = await passwords.hash('a good long password', 'password');
    // Of an idle process, `ps` shows none.
    expect(findWithNice()?.nice).to.be.oneOf(['19', '-']);
    expect(await passwords.isRight('a good long password', hash)).to.equal(true);
    expect(await passwords.isRight('another password', hash)).to.equal(false);
    expect(await passwords.isRight('another password', undefined)).to.equal(false);
    const refused = await passwords.hash('QWERTYuiop', 'new').catch((error: unknown) => error);
    expect((refused as Problem).errors?.[0]?.field).to.equal('new');
  });

  it('takes one at a time; beyond the queue others get 503 with Retry-After immediately', async function () {
    this.timeout(60_000);
    // Those that wait must not be refused because the machine is busy.
    process = patient();
    passwords = new Passwords(process);
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, async () => passwords.isRight('a password', undefined)),
    );
    const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(results.length - refused.length).to.be.within(16, 18);
    for (const { reason } of refused) {
      const problem = reason as Problem;
      expect([problem.status, problem.code, problem.headers['Retry-After']]).to.deep.equal([
        503,
        'overloaded',
        '2',
      ]);
    }
  });

  it('takes sign-ins and passwords of links in turns: a full queue of one does not hold up the other', async function () {
    this.timeout(60_000);
    process = patient();
    passwords = new Passwords(process);
    const links = new LinkPasswords(process);
    const done: string[] = [];
    const work = [
      ...Array.from({ length: 30 }, async () => links.hash('1', 1n).then(() => done.push('link'))),
      ...Array.from({ length: 3 }, async () => {
        await passwords.isRight('a password', undefined);
        done.push('sign-in');
      }),
    ];
    const results = await Promise.allSettled(work);
    expect(results.slice(30).map(({ status }) => status)).to.deep.equal(Array(3).fill('fulfilled'));
    const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused.map(({ reason }) => (reason as Problem).message)).to.include(
      'Too many new passwords of links wait at this moment.',
    );
    expect(done.slice(0, 7)).to.deep.equal(['link', 'sign-in', 'link', 'sign-in', 'link', 'sign-in', 'link']);
  });

  it('compares passwords of links while one owner makes as many as he can', async function () {
    this.timeout(60_000);
    process = patient();
    const links = new LinkPasswords(process);
    const hash = await links.hash('open sesame', 1n);
    const done: string[] = [];
    const making = Array.from({ length: 30 }, async () => links.hash('1', 1n).then(() => done.push('made')));
    const opened = links.matches('open sesame', hash, 'a').then((isRight) => done.push(`opened ${isRight}`));
    const others = links.hash('1', 2n).then(() => done.push('made by another'));
    const results = await Promise.allSettled([opened, others, ...making]);
    expect(results.slice(0, 2).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled']);
    expect(done.slice(0, 2)).to.deep.equal(['made', 'opened true']);
    // One at work, seven that wait, and the place that was given to another.
    expect(done.filter((one) => one === 'made')).to.have.length(8);
  });

  it('lets clients with many passwords of links give way to those with few', async function () {
    this.timeout(60_000);
    process = patient();
    const links = new LinkPasswords(process);
    const hash = await links.hash('open sesame', 1n);
    const of = async (client: string, guesses: number): Promise<Record<string, number>> => {
      const results = await Promise.allSettled(
        // Of many links, each of which has few.
        Array.from({ length: guesses }, async (_, index) =>
          links.matches(`wrong ${client}`, `${hash.slice(0, -4)}${1_000 + index}`, client),
        ),
      );
      return countEach(results.map(({ status }) => status));
    };
    const [most, others] = [of('a', 30), ['b', 'c', 'd'].map(async (client) => of(client, 1))];
    const right = links.matches('open sesame', hash, 'e');
    const one = { fulfilled: 1 };
    expect(await Promise.all(others)).to.deep.equal([one, one, one]);
    expect(await right).to.equal(true);
    // One was at work, and of those that waited four gave way.
    expect(await most).to.deep.equal({ fulfilled: 13, rejected: 17 });
  });

  it('starts again after it was killed; who waited for it is told so', async function () {
    this.timeout(60_000);
    process = patient();
    passwords = new Passwords(process);
    await passwords.isRight('a password', undefined);
    const child = findChild() ?? expect.fail();
    const results = Promise.allSettled(
      Array.from({ length: 3 }, async () => passwords.isRight('a password', undefined)),
    );
    globalThis.process.kill(child, 'SIGKILL');
    const codes = (await results).map((one) =>
      one.status === 'rejected' ? (one.reason as Problem).code : one.value,
    );
    expect(codes.filter((code) => code === 'overloaded')).to.have.length.at.most(1);
    expect(codes).to.include(false);
    await until('another child', () => findChild() !== undefined && findChild() !== child);
  });

  it('runs when the machine is idle; if it is not, or the process hangs, another one gets its task', async function () {
    this.timeout(60_000);
    process.close();
    const answerMs = { idle: 1_000, lowest: 4_000, ordinary: 4_000 };
    process = new PasswordProcess(log, { waitMs: 200, answerMs });
    const hastily = new Passwords(process);
    const first = timed(hastily);
    const idle = await until('a child for idle machines', () => {
      const child = findChild();
      return policyOf(child) === 'IDL' && child;
    });
    globalThis.process.kill(idle, 'SIGSTOP');
    // The stopped one has the first task still, or has answered it and has the second one.
    const all = await Promise.all([first, ...Array.from({ length: 4 }, async () => timed(hastily))]);
    const [answered, others] = [false, 'overloaded'].map((is) => all.filter(({ answer }) => answer === is));
    expect([answered?.length, others?.length]).to.deep.be.oneOf([
      [1, 4],
      [2, 3],
    ]);
    expect(all[0]?.answer).to.equal(false);
    const longestMs = Math.max(...(answered ?? []).map(({ waitedMs }) => waitedMs));
    for (const { waitedMs } of others ?? []) expect(waitedMs).to.be.within(190, longestMs);
    const lowest = findWithNice() ?? expect.fail();
    expect([lowest.pid === idle, policyOf(lowest.pid), lowest.nice]).to.deep.equal([false, 'TS', '19']);
    globalThis.process.kill(lowest.pid, 'SIGSTOP');
    const late = await timed(hastily);
    expect(late.answer).to.equal(false);
    expect(late.waitedMs).to.be.at.least(answerMs.lowest - 10);
    const ordinary = findWithNice() ?? expect.fail();
    expect(ordinary.pid).not.to.equal(lowest.pid);
    expect(ordinary.nice).to.equal(String(getPriority()));
    globalThis.process.kill(ordinary.pid, 'SIGSTOP');
    const refused = await timed(hastily);
    expect(refused.answer).to.equal('overloaded');
    expect(refused.waitedMs).to.be.within(answerMs.ordinary - 10, 15_000);
    expect(await hastily.isRight('a password', undefined)).to.equal(false);
    expect(findChild()).not.to.equal(ordinary.pid);
  });

  /** How the kernel schedules a process, as `ps` calls it. */
  function policyOf(pid: number | undefined): string {
    return execFileSync('ps', ['-o', 'cls=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  }

  async function timed(hastily: Passwords): Promise<{ answer: unknown; waitedMs: number }> {
    const startedAt = performance.now();
    const answer = await hastily
      .isRight('a password', undefined)
      .catch((error: unknown) => (error as Problem).code);
    return { answer, waitedMs: performance.now() - startedAt };
  }

  it('ends with its mapper', async () => {
    await passwords.isRight('a password', undefined);
    const child = findChild() ?? expect.fail();
    process.close();
    await until('the child to end', () => findChild() !== child);
    const late = await passwords.isRight('a password', undefined).catch((error: unknown) => error);
    expect((late as Problem).status).to.equal(503);
  });

  it('takes as long for a user who does not exist', async function () {
    this.timeout(60_000);
    process = patient();
    passwords = new Passwords(process);
    const hash = await passwords.hash('a good long password', 'password');
    const timeOf = async (stored: string | undefined): Promise<number> => {
      const startedAt = performance.now();
      await passwords.isRight('a wrong password', stored);
      return performance.now() - startedAt;
    };
    const [known, unknown]: [number[], number[]] = [[], []];
    // The fastest of each: noise only adds. On a busy machine it takes more rounds to be without.
    const ratio = (): number => Math.min(...unknown) / Math.min(...known);
    const isAlike = (): boolean => ratio() > 0.5 && ratio() < 2;
    for (let round = 0; round < 8 || (round < 60 && !isAlike()); round += 1) {
      known.push(await timeOf(hash));
      unknown.push(await timeOf(undefined));
    }
    expect(ratio()).to.be.within(0.5, 2);
  });
});
