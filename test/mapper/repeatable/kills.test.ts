import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { Answer, Connection } from '../../../bench/load/connection.ts';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { People } from '../api/people.ts';
import { processesOf, startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import { connectAll, formatShorten, keysOf, type Sending } from './senders.ts';

const AT_ONCE = 100;
const ROUNDS = IS_LONG ? 100 : 4;
/** A process is killed at a random time after the requests were sent, in which most of them are under way. */
const WITHIN_MS = 60;

describe('requests that may be repeated, while processes of mappers are killed', function () {
  this.timeout(60_000 + ROUNDS * 10_000);
  let world: World;
  const children: ChildProcess[] = [];
  let mappers: MapperProcess[] = [];
  let ownerKey: string;

  before(async () => {
    world = await createWorld({ keys: 1_000, hasUsers: true });
    mappers = await Promise.all(
      [1, 2].map(async (number) =>
        startMapperProcess(world, (child) => children.push(child), {
          KEYMILL_ID: `mapper-${number}`,
          KEYMILL_PROCESSES: '2',
          KEYMILL_USERS_DB: world.usersUrl,
          KEYMILL_PUBLIC_URL: 'https://go.example',
        }),
      ),
    );
    await using people = new People(world.usersUrl);
    ownerKey = (await people.key(await people.person(), ['links:create'])).key;
  });

  after(async function () {
    this.timeout(60_000);
    for (const child of children) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  /** @returns undefined: the connection broke off */
  async function ask(connection: Connection, sending: Sending): Promise<Answer | undefined> {
    return connection.ask(formatShorten(sending)).catch(() => undefined);
  }

  for (const [name, sendingTo] of [
    ['find_if_exists', (long_url: string) => ({ body: { long_url, find_if_exists: true } })],
    [
      'find_if_exists of an owner',
      (long_url: string) => ({ body: { long_url, find_if_exists: true }, key: ownerKey }),
    ],
    ['an Idempotency-Key', (long_url: string) => ({ body: { long_url }, idempotencyKey: long_url })],
  ] as const)
    it(`make one link, and all answers are of that one: ${name}`, async () => {
      let broken = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const long_url = `https://example.com/${randomUUID()}`;
        const sending = sendingTo(long_url);
        const [victim] = processesOf(mappers[round % 2] as MapperProcess);
        const connections = await until('both mappers to listen', async () =>
          connectAll(
            mappers.map(({ url }) => url),
            AT_ONCE / 2,
          ),
        );
        const sent = Promise.all(connections.map(async (connection) => ask(connection, sending)));
        // Once at once, when none is answered: a quick machine may be done before the other kills.
        if (round > 0) await delay(Math.random() * WITHIN_MS);
        process.kill(victim ?? 0, 'SIGKILL');
        const answers = await sent;
        for (const connection of connections) connection.close();
        const again = await until('an answer', async () => {
          const [connection] = await connectAll([mappers[(round + 1) % 2]?.url ?? ''], 1);
          const answer = await ask(connection as Connection, sending);
          connection?.close();
          return answer !== undefined && answer.status !== 503 && answer;
        });
        const told = [...answers, again].filter((answer) => answer !== undefined && answer.status !== 503);
        broken += answers.filter((answer) => answer === undefined).length;
        for (const answer of told) expect(answer?.status, answer?.raw).to.be.oneOf([200, 201]);
        expect(new Set(told.map((answer) => answer?.body)).size).to.equal(1);
        expect(await keysOf(world, long_url)).to.have.length(1);
        await until('the process to be replaced', () =>
          mappers.every((mapper) => processesOf(mapper).length === 2),
        );
      }
      expect(broken, 'requests that broke off').to.be.at.least(1);
    });
});
