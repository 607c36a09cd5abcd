import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { Answer, Connection } from '../../../bench/load/connection.ts';
import { People } from '../api/people.ts';
import { startMapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import {
  connectAll,
  formatShorten,
  isReplayed,
  keysOf,
  statusesOf,
  withoutIds,
  type Sending,
} from './senders.ts';

const AT_ONCE = 200;
const MAPPERS = 2;

describe(`${AT_ONCE} requests at once to two mappers of two processes each`, function () {
  this.timeout(60_000);
  let world: World;
  let connections: Connection[] = [];
  const children: ChildProcess[] = [];
  const keys: (string | undefined)[] = [];

  before(async () => {
    world = await createWorld({ keys: 600, hasUsers: true });
    const mappers = await Promise.all(
      Array.from({ length: MAPPERS }, async (_, index) =>
        startMapperProcess(world, (child) => children.push(child), {
          KEYMILL_ID: `mapper-${index + 1}`,
          KEYMILL_PROCESSES: '2',
          KEYMILL_USERS_DB: world.usersUrl,
          KEYMILL_PUBLIC_URL: 'https://go.example',
        }),
      ),
    );
    await using people = new People(world.usersUrl);
    keys.push(undefined, (await people.key(await people.person(), ['links:create'])).key);
    connections = await connectAll(
      mappers.map(({ url }) => url),
      AT_ONCE / MAPPERS,
    );
  });

  after(async function () {
    this.timeout(60_000);
    for (const connection of connections) connection.close();
    for (const child of children) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  async function sendAll(sending: (index: number) => Sending): Promise<Answer[]> {
    return Promise.all(
      connections.map(async (connection, index) => connection.ask(formatShorten(sending(index)))),
    );
  }

  it('with one alias: one 201 and all others 409', async () => {
    const custom_alias = `only-${randomUUID()}`;
    const answers = await sendAll(() => ({ body: { long_url: 'https://example.com/', custom_alias } }));
    expect(statusesOf(answers)).to.deep.equal({ 201: 1, 409: AT_ONCE - 1 });
  });

  for (const [who, at] of [
    ['nobody', 0],
    ['one owner', 1],
  ] as const) {
    it(`with find_if_exists of ${who}: one link, one 201 and all others 200`, async () => {
      const long_url = `https://example.com/${randomUUID()}`;
      const answers = await sendAll(() => ({ body: { long_url, find_if_exists: true }, key: keys[at] }));
      expect(statusesOf(answers)).to.deep.equal({ 200: AT_ONCE - 1, 201: 1 });
      expect(new Set(answers.map(({ body }) => body)).size).to.equal(1);
      expect(await keysOf(world, long_url)).to.have.length(1);
    });

    it(`with one Idempotency-Key of ${who}: one link and equal answers`, async () => {
      const long_url = `https://example.com/${randomUUID()}`;
      const sending = { body: { long_url }, key: keys[at], idempotencyKey: randomUUID() };
      const answers = await sendAll(() => sending);
      expect(statusesOf(answers)).to.deep.equal({ 201: AT_ONCE });
      expect(new Set(answers.map(withoutIds)).size).to.equal(1);
      expect(answers.filter(isReplayed)).to.have.length(AT_ONCE - 1);
      expect(await keysOf(world, long_url)).to.have.length(1);
    });

    it(`with 200 Idempotency-Keys and find_if_exists of ${who}: one link, one 201 and all others 200`, async () => {
      const long_url = `https://example.com/${randomUUID()}`;
      const names = connections.map(() => randomUUID());
      const send = async (): Promise<Answer[]> =>
        sendAll((index) => ({
          body: { long_url, find_if_exists: true },
          key: keys[at],
          idempotencyKey: names[index],
        }));
      const first = await send();
      expect(statusesOf(first)).to.deep.equal({ 200: AT_ONCE - 1, 201: 1 });
      const again = await send();
      expect(again.map(withoutIds)).to.deep.equal(first.map(withoutIds));
      expect(again.filter(isReplayed)).to.have.length(AT_ONCE);
      expect(await keysOf(world, long_url)).to.have.length(1);
    });
  }
});
