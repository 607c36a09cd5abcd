import { connect } from 'node:net';
import { expect } from 'chai';
import { isLinkInsert } from '../../drills/proxy/proxy.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { viaProxy } from './faulty.ts';
import { createWorld, randomKeys, type TestMapper, type World } from './world.ts';

describe('a request for a new link', () => {
  let world: World;
  let urls: Awaited<ReturnType<typeof viaProxy<World['urls'][number]>>>[];
  let mapper: TestMapper;

  beforeEach(async function () {
    this.timeout(60_000);
    world = await createWorld();
    urls = await Promise.all(world.urls.map(viaProxy));
  });

  afterEach(async function () {
    this.timeout(60_000);
    for (const { proxy } of urls) proxy.heal();
    await world[Symbol.asyncDispose]();
    for (const { proxy } of urls) await proxy.stop();
  });

  function serverOf(key: string): number {
    return urls.findIndex(({ slots }) => slots.includes(slotOf(key))) + 1;
  }

  /** Starts a mapper whose reserve has eight keys, of these urls servers and in this order. */
  async function startWithReserve(servers: readonly number[]): Promise<void> {
    const stock = Map.groupBy(randomKeys(1_000), serverOf);
    const keys = [1, ...servers].map((server) => stock.get(server)?.pop() ?? 'none');
    await world.redis[0]?.client.rpush('keys:available', ...keys);
    mapper = await world.start({ stores: { redis: world.redis, urlsDbs: urls } });
    await shortenOne();
    await until('the reserve', async () => {
      const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
      return text.includes(`\nkeymill_keys_held ${servers.length}\n`);
    });
  }

  async function shortenOne(): Promise<Answer> {
    return shorten(mapper.url, { long_url: 'https://example.com/' });
  }

  /**
   * Sends n requests in one piece on one connection, so that they are read in the same turn of the event
   * loop. They have an id, so Node parses them: the front would begin each after the answer to the one
   * before.
   * @returns the keys
   */
  async function shortenAtOnce(count: number): Promise<string[]> {
    const body = '{"long_url":"https://example.com/"}';
    const request = `POST /urls HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const socket = connect(Number(new URL(mapper.url).port), '127.0.0.1');
    let answers = '';
    const keys = (): string[] =>
      Array.from(answers.matchAll(/"unique_id":"([^"]+)"/g), ([, key]) => String(key));
    socket.setEncoding('utf8').on('data', (piece: string) => (answers += piece));
    socket.write(request.repeat(count));
    try {
      await until('the answers', () => keys().length === count);
      return keys();
    } finally {
      socket.destroy();
    }
  }

  function serverThatBound(answer: Answer): number {
    return serverOf(String(answer.json()['unique_id']));
  }

  it('gets a key of the server whose INSERT is about to leave, so that requests of one moment share it', async () => {
    await startWithReserve([2, 1, 2, 1, 2, 1, 2, 1]);
    const keys = await shortenAtOnce(4);
    expect(keys.map(serverOf)).to.deep.equal([1, 1, 1, 1]);
  });

  it('gets a key of one server, and not of each in turn, when none has an INSERT under way', async () => {
    await startWithReserve([2, 1, 2, 1, 2, 1, 2, 1]);
    const servers = [];
    for (let request = 0; request < 3; request += 1) servers.push(serverThatBound(await shortenOne()));
    expect(servers).to.deep.equal([1, 1, 1]);
  });

  it('gets a key of another server than the one whose INSERT is under way', async () => {
    await startWithReserve([1, 1, 1, 1, 2, 2, 2, 2]);
    let isUnderWay = false;
    urls[0]?.proxy.delay(200);
    urls[0]?.proxy.cutBeforeReplyTo((sent) => {
      isUnderWay ||= isLinkInsert(sent);
      return false;
    });
    const slow = shortenOne();
    await until('the INSERT', () => isUnderWay);
    expect(serverThatBound(await shortenOne())).to.equal(2);
    expect(serverThatBound(await slow)).to.equal(1);
  });
});
