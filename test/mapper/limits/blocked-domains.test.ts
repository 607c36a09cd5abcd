import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseBlockedDomains } from '../../../mapper/limits/blocked-domains.ts';
import { MAX_LIST_BYTES } from '../../../mapper/limits/watch-blocked-domains.ts';
import { testFolder } from '../../servers.ts';
import { until } from '../../until.ts';
import { expectProblem, send, shorten } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { makeLink } from '../following/ruled-links.ts';
import { threadCpuMs } from '../../thread-cpu.ts';

describe('a list of blocked domains', () => {
  const LIST = [
    '# what we have seen',
    'Evil.Example',
    '  *.worse.example  # and all below',
    '.worst.example.',
    'xn--e1afmkfd.example',
    'пример.рф\r',
    '198.51.100.7',
    '0xc6.0x33.0x64.8',
    '[2001:db8::1]',
    '',
    'two words',
    'https://a.example/',
  ].join('\n');

  const BLOCKED = [
    'evil.example evil.example. www.evil.example a.b.c.evil.example worse.example www.worse.example',
    'worst.example xn--e1afmkfd.example xn--e1afmkfd.xn--p1ai 198.51.100.7 198.51.100.8 [2001:db8::1]',
  ].flatMap((line) => line.split(' '));
  const FREE = [
    'notevil.example evil.example.org example words two a.example 198.51.100.9 [2001:db8::2] 1.198.51.100.7.nip.io',
    'evil https',
  ].flatMap((line) => line.split(' '));

  it('blocks each domain and every name below it', async () => {
    const domains = await parseBlockedDomains(LIST);
    for (const host of BLOCKED) expect(domains.has(host), host).to.equal(true);
    for (const host of FREE) expect(domains.has(host), host).to.equal(false);
    expect(domains.size).to.equal(8);
    expect(domains.firstWrongLine).to.equal(11);
  });

  it('of the largest size leaves the event loop free', async () => {
    const line = 'some-long-name.example\n';
    const text = Array.from({ length: MAX_LIST_BYTES / (line.length + 6) }, (_, at) => `${at}.${line}`).join(
      '',
    );
    let longestMs = 0;
    let lastMs = threadCpuMs();
    const timer = setInterval(() => {
      longestMs = Math.max(longestMs, threadCpuMs() - lastMs);
      lastMs = threadCpuMs();
    }, 1);
    const domains = await parseBlockedDomains(text);
    clearInterval(timer);
    expect(domains.has('1.some-long-name.example')).to.equal(true);
    expect(longestMs).to.be.within(0, 500);
  });
});

describe('blocked domains', () => {
  let folder: string;
  let file: string;
  let world: World;
  let fast: TestMapper;
  let koa: TestMapper;

  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(testFolder(), 'blocked-'));
    file = join(folder, 'domains.txt');
    await writeFile(file, 'evil.example\n');
    world = await createWorld({ keys: 100 });
    fast = await world.start({ blockedDomains: file });
    koa = await world.start({ blockedDomains: file, hasFastPaths: false });
    for (const alias of ['good-link', 'later-link']) {
      const made = await shorten(fast.url, { long_url: `https://${alias}.example/`, custom_alias: alias });
      expect(made.status).to.equal(201);
    }
  });

  after(async function () {
    this.timeout(20_000);
    await world[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** Replaces the file in one step, as editors and Kubernetes do. */
  async function replace(text: string): Promise<void> {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }

  it('refuse a new link and name the field', async () => {
    for (const { url } of [fast, koa])
      for (const long_url of [
        'https://evil.example/a',
        'http://www.EVIL.example.:8080/',
        'https://ev%69l.example/',
      ])
        expect(expectProblem(await shorten(url, { long_url }), 422)).to.deep.equal([
          { field: 'long_url', reason: 'points at a blocked domain' },
        ]);
  });

  it('are judged for the first request with an Idempotency-Key, and for each with find_if_exists', async function () {
    this.timeout(20_000);
    const body = { long_url: 'https://repeated.example/' };
    const again = async (idempotencyKey: string): Promise<number> =>
      (await shorten(koa.url, body, { 'idempotency-key': idempotencyKey })).status;
    const find = async (): Promise<number> =>
      (await shorten(fast.url, { ...body, find_if_exists: true })).status;
    expect([await again('one'), await find()]).to.deep.equal([201, 201]);
    await replace('evil.example\nrepeated.example\n');
    await until('the domain to be blocked', async () => (await find()) === 422);
    await until('the domain to be blocked', async () => (await shorten(koa.url, body)).status === 422);
    expect([await again('another'), await again('one')]).to.deep.equal([422, 201]);
    await replace('evil.example\n');
    await until('the domain to be allowed', async () => (await find()) === 200);
  });

  it('stop a link in memory within moments of a change of the file, and let it go on again', async function () {
    this.timeout(20_000);
    const status = async ({ url }: TestMapper): Promise<number> =>
      (await send('GET', `${url}/later-link`, { headers: { host: 'x' } })).status;
    for (const mapper of [fast, koa]) expect(await status(mapper)).to.equal(302);
    await replace('evil.example\nlater-link.example\n');
    for (const mapper of [fast, koa]) {
      await until('the link is blocked', async () => (await status(mapper)) === 410);
      const answer = await send('GET', `${mapper.url}/later-link`, { headers: { host: 'x' } });
      expectProblem(answer, 410);
      expect(answer.json()['type']).to.equal('urn:keymill:problem:link-blocked');
      expect(answer.headers).not.to.have.property('location');
      expect((await send('GET', `${mapper.url}/good-link`, { headers: { host: 'x' } })).status).to.equal(302);
    }
    await replace('evil.example\n');
    for (const mapper of [fast, koa])
      await until('the link is free', async () => (await status(mapper)) === 302);
  });

  it('stop a link that leads there only some of its visitors', async () => {
    const blocked = 'https://www.evil.example/';
    for (const rules of [
      { targets: [{ when: { device: ['ios' as const] }, longUrl: blocked }] },
      { expiredUrl: blocked },
    ]) {
      const key = await makeLink(world, { rules });
      for (const mapper of [fast, koa, fast, koa]) {
        const answer = await send('GET', `${mapper.url}/${key}`, { headers: { host: 'x' } });
        expectProblem(answer, 410);
        expect(answer.json()['type']).to.equal('urn:keymill:problem:link-blocked');
      }
    }
  });

  it('stay as they were while the file cannot be read, and the metrics say so', async function () {
    this.timeout(20_000);
    const readable = async (): Promise<string | undefined> =>
      /^keymill_blocked_domains_readable (\d)$/m.exec(
        await (await fetch(`${fast.adminUrl}/metrics`)).text(),
      )?.[1];
    await until('the list is read', async () => (await readable()) === '1');
    await rm(file);
    await until('the loss is seen', async () => (await readable()) === '0');
    expect((await shorten(fast.url, { long_url: 'https://evil.example/' })).status).to.equal(422);
    await replace('evil.example\n');
    await until('the file is back', async () => (await readable()) === '1');
  });

  it('must be readable when a mapper starts', async () => {
    await writeFile(join(folder, 'large.txt'), Buffer.alloc(MAX_LIST_BYTES + 1, 'a\n'));
    for (const name of ['nothing.txt', 'large.txt']) {
      const error = await world.start({ blockedDomains: join(folder, name) }).then(
        async (mapper) => mapper.stop(),
        (reason: unknown) => reason,
      );
      expect(String(error)).to.match(
        /KEYMILL_BLOCKED_DOMAINS=.*expected a readable file of at most 8388608 bytes/,
      );
    }
  });
});
