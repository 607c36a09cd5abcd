import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import type { HeldByMapper } from '../../../mapper/keys/held-by-mapper.ts';
import { AS_OPERATOR } from '../../admin-token.ts';
import { until } from '../../until.ts';
import { send, shorten } from '../client.ts';
import { processesOf, startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';

describe('keys by counter of a mapper of several processes', () => {
  let world: World;
  let mapper: MapperProcess;
  let child: ChildProcess | undefined;

  before(async function () {
    this.timeout(120_000);
    world = await createWorld({ shards: 1, databases: 1, hasUsers: true });
    const env = {
      KEYMILL_KEY_SOURCE: 'counter',
      KEYMILL_USERS_DB: world.usersUrl,
      KEYMILL_PROCESSES: '2',
    };
    mapper = await startMapperProcess(world, (spawned) => (child = spawned), env);
  });

  after(async function () {
    this.timeout(60_000);
    child?.kill('SIGTERM');
    await mapper.exited;
    await world[Symbol.asyncDispose]();
  });

  async function held(): Promise<HeldByMapper> {
    const answer = await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR });
    expect(answer.status, answer.text).to.equal(200);
    return answer.json() as unknown as HeldByMapper;
  }

  const rangesOf = ({ ranges }: HeldByMapper): number[] =>
    ranges.map(({ last }) => last).sort((a, b) => a - b);

  it('are of one batch for each process, and all in one answer', async function () {
    this.timeout(60_000);
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) =>
        shorten(mapper.url, { long_url: `https://example.com/${i}` }),
      ),
    );
    const keys = answers.map((answer) => answer.json()['unique_id']);
    expect(answers.map(({ status }) => status)).to.deep.equal(keys.map(() => 201));
    expect(new Set(keys).size).to.equal(60);
    expect(rangesOf(await held())).to.deep.equal([1_000, 2_000]);
  });

  it('are lost with a process that is killed: its successor takes others', async function () {
    this.timeout(60_000);
    const [victim = 0] = processesOf(mapper);
    process.kill(victim, 'SIGKILL');
    const after = await until(
      'the batch of the next process',
      async () => {
        const answer = await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR });
        const ends = answer.status === 200 ? rangesOf(answer.json() as unknown as HeldByMapper) : [];
        return ends.includes(3_000) ? ends : undefined;
      },
      { timeoutMs: 45_000 },
    );
    expect(after).to.have.length(2);
    expect((await shorten(mapper.url, { long_url: 'https://example.com/after' })).status).to.equal(201);
  });
});
