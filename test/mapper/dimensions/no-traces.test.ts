import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { testRedis } from '../../servers.ts';
import { until } from '../../until.ts';
import { send, sendRaw, shorten } from '../client.ts';
import { startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';

const VISITORS = 30;
const CHROME =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';

interface Visitor {
  readonly address: string;
  readonly agent: string;
  readonly referer: string;
}

/** Marks that occur nowhere else. */
const PEOPLE: readonly Visitor[] = Array.from({ length: VISITORS }, (_, visitor) => ({
  address: visitor % 2 === 0 ? `198.51.100.${100 + visitor}` : `2001:db8:feed:${4_096 + visitor}::beef`,
  agent: `${CHROME} MarkedAgent${1_000 + visitor}/1`,
  referer: `https://markeduser${visitor}:pass@page.example/markedpath${visitor}?token=markedquery${visitor}`,
}));

const MARKS = ['markedagent', 'markeduser', 'markedpath', 'markedquery', '198.51.100.1', '2001:db8:feed'];

/** What stands for somebody although he cannot be read in it: everybody can compute it. */
const DIGESTS = PEOPLE.flatMap(({ address, agent }) =>
  ['md5', 'sha1', 'sha256'].flatMap((algorithm) =>
    [address, agent, `${address}${agent}`, `${address}\n${agent}`].map((text) =>
      createHash(algorithm).update(text).digest().subarray(0, 6),
    ),
  ),
);

/** What of the marks is found in the bytes. */
function marksIn(bytes: Buffer): string[] {
  const text = bytes.toString('latin1').toLowerCase();
  const hex = bytes.toString('hex');
  return [
    ...MARKS.filter((mark) => text.includes(mark)),
    ...DIGESTS.filter((digest) => bytes.includes(digest) || text.includes(digest.toString('hex'))).map(
      (digest) => digest.toString('hex'),
    ),
    ...PEOPLE.map(({ address }) => Buffer.from(address).toString('hex')).filter((mark) => hex.includes(mark)),
  ];
}

describe('after visitors have followed links', () => {
  let world: World;
  let limits: Redis;
  let mapper: MapperProcess;
  const children: ChildProcess[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 2, keys: 100, hasUsers: true });
    const [shared] = await testRedis(1);
    if (shared === undefined) throw new Error('a Redis is needed');
    limits = new Redis(shared.url);
    mapper = await startMapperProcess(world, (child) => children.push(child), {
      KEYMILL_USERS_DB: world.usersUrl,
      KEYMILL_TRUSTED_PROXIES: '127.0.0.1',
      KEYMILL_LIMITS_REDIS: shared.url,
      KEYMILL_CLICK_FLUSH_MS: '100',
      KEYMILL_LOG_LEVEL: 'trace',
    });
  });

  after(async function () {
    this.timeout(60_000);
    for (const child of children) child.kill('SIGKILL');
    limits.disconnect();
    await world[Symbol.asyncDispose]();
  });

  async function tablesOf(url: string): Promise<{ name: string; bytes: Buffer }[]> {
    const sql = await createConnection(url);
    try {
      const [tables] = await sql.query('SHOW TABLES');
      const names = (tables as Record<string, string>[]).flatMap((row) => Object.values(row));
      const found: { name: string; bytes: Buffer }[] = [];
      for (const name of names) {
        const [rows] = await sql.query({ sql: `SELECT * FROM \`${name}\``, rowsAsArray: true });
        const cells = (rows as unknown[][]).flat();
        const bytes = cells.map((cell) => (Buffer.isBuffer(cell) ? cell : Buffer.from(String(cell))));
        found.push({ name, bytes: Buffer.concat(bytes.flatMap((each) => [each, Buffer.from('\n')])) });
      }
      return found;
    } finally {
      await sql.end();
    }
  }

  async function contentOf(redis: Redis): Promise<Buffer> {
    const parts: unknown[] = [];
    for (const key of await redis.keys('*')) {
      const type = await redis.type(key);
      parts.push(key);
      if (type === 'string') parts.push(await redis.get(key));
      else if (type === 'list') parts.push(await redis.lrange(key, 0, -1));
      else if (type === 'hash') parts.push(await redis.hgetall(key));
      else if (type === 'stream') parts.push(await redis.xrange(key, '-', '+'));
      else if (type === 'zset') parts.push(await redis.zrange(key, 0, '-1'));
      else if (type === 'set') parts.push(await redis.smembers(key));
      else throw new Error(`${key} is a ${type}, which this test cannot read`);
    }
    return Buffer.from(JSON.stringify(parts));
  }

  it('finds marks where they are', () => {
    const [first, second] = PEOPLE;
    if (first === undefined || second === undefined) throw new Error('two visitors are needed');
    expect(marksIn(Buffer.from(`x ${first.agent}`))).to.deep.equal(['markedagent']);
    expect(marksIn(Buffer.from(second.address))).to.have.length(2);
    expect(marksIn(createHash('sha256').update(`${first.address}\n${first.agent}`).digest())).to.have.length(
      1,
    );
    expect(marksIn(Buffer.from('page.example Chrome'))).to.deep.equal([]);
  });

  it('nothing identifies them in any database, in Redis or in a log', async () => {
    const { url } = mapper;
    const made = await shorten(url, { long_url: 'https://example.com/' });
    const key = String(made.json()['unique_id']);
    for (const { address, agent, referer } of PEOPLE) {
      const headers = { 'X-Forwarded-For': address, 'User-Agent': agent, Referer: referer };
      expect((await send('GET', `${url}/${key}`, { headers })).status).to.equal(302);
      // Koa answers it.
      expect(
        (await send('GET', `${url}/%${key.charCodeAt(0).toString(16)}${key.slice(1)}`, { headers })).status,
      ).to.equal(302);
      expect((await send('GET', `${url}/${key}+`, { headers })).status).to.equal(200);
      expect(
        (
          await send('GET', `${url}/${address.replaceAll(/[:.]/g, '')}-`, {
            headers: { ...headers, Purpose: 'prefetch' },
          })
        ).status,
      ).to.equal(404);
      const wrong = { email: 'nobody@example.com', password: 'wrong password' };
      await send('POST', `${url}/users/login`, {
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: JSON.stringify(wrong),
      });
      await sendRaw(url, `GET /${key} HTTP/1.1\r\nHost: a b\r\nUser-Agent: ${agent}\r\n\r\n`, '\r\n\r\n');
    }
    const visitors = async (): Promise<number> => {
      const all = await Promise.all(world.urls.map(async (each) => tablesOf(each.url)));
      return all.flat().filter(({ name, bytes }) => name === 'click_visitors' && bytes.length > 0).length;
    };
    await until('the clicks and their sketch', async () => (await visitors()) === 1);
    mapper.child.kill('SIGTERM');
    expect(await mapper.exited).to.equal(0);
    const found: string[] = [];
    let tables = 0;
    for (const at of [...world.urls.map((each) => each.url), world.usersUrl])
      for (const { name, bytes } of await tablesOf(at)) {
        tables += 1;
        found.push(...marksIn(bytes).map((mark) => `table ${name}: ${mark}`));
      }
    expect(tables).to.be.greaterThan(40);
    for (const redis of [...world.redis.map(({ client }) => client), limits])
      found.push(...marksIn(await contentOf(redis)).map((mark) => `Redis: ${mark}`));
    found.push(...marksIn(Buffer.from(mapper.log())).map((mark) => `log: ${mark}`));
    expect(found).to.deep.equal([]);
  }).timeout(60_000);
});
