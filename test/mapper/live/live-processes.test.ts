import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { until } from '../../until.ts';
import { People } from '../api/people.ts';
import { send } from '../client.ts';
import { startMapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import { SseClient, sumOf } from './sse-client.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
/** The kernel gives all of them to one of two processes once in 128 times. */
const CLIENTS = 8;

describe('live clicks of a mapper with several processes', () => {
  let world: World;
  const children: ChildProcess[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100, hasUsers: true });
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  it('are told by each process, whichever answers the redirect, and SIGTERM ends all streams', async function () {
    this.timeout(60_000);
    const settings = { KEYMILL_PROCESSES: '2', KEYMILL_USERS_DB: world.usersUrl };
    const mapper = await startMapperProcess(world, (child) => children.push(child), settings);
    await using people = new People(world.usersUrl);
    const cookie = await people.session(await people.person());
    const made = await send('POST', `${mapper.url}/urls`, {
      headers: { cookie, 'content-type': 'application/json' },
      body: JSON.stringify({ long_url: 'https://example.com/' }),
    });
    const key = String(made.json()['unique_id']);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async () =>
        SseClient.open(`${mapper.url}/urls/${key}/clicks/live`, { cookie }),
      ),
    );
    for (const { response } of clients) expect(response.statusCode).to.equal(200);
    const told = (): number[] => clients.map(({ events }) => sumOf(events).humans);
    const follow = async (times: number): Promise<void> => {
      const headers = { 'user-agent': FIREFOX };
      for (let time = 0; time < times; time += 1)
        expect((await send('GET', `${mapper.url}/${key}`, { headers })).status).to.equal(302);
    };
    // Each process hears within half a second that the link is watched.
    await until('a round that is told in full', async () => {
      const before = Math.max(0, ...told());
      await follow(16);
      await until('the round', () => told().every((clicks) => clicks >= before + 16), { timeoutMs: 1_500 });
      return true;
    });
    const [before = 0] = told();
    await follow(100);
    await until('all clicks', () => told().every((clicks) => clicks >= before + 100));
    expect(told()).to.deep.equal(clients.map(() => before + 100));
    const [child] = children;
    child?.kill('SIGTERM');
    await until('the ends of all streams', () => clients.every(({ hasEnded }) => hasEnded));
    expect(clients.map(({ response }) => response.complete)).to.deep.equal(clients.map(() => true));
    if (child?.exitCode === null) await once(child, 'exit');
    expect(child?.exitCode).to.equal(0);
  });
});
