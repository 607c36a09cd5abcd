import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { residentBytesOf } from '../../../bench/world/cpu.ts';
import { until } from '../../until.ts';
import { ApiClient } from '../api/api-client.ts';
import { People } from '../api/people.ts';
import { startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import { NDJSON, sendLines } from './bulk-fixture.ts';

/* `keymill bench bulk-memory export-memory` measures both at full speed for a minute. */

const MIB = 2 ** 20;
/**
 * Above a mapper that has been at full speed. Bodies and answers of all clients have 180 MiB. With fewer
 * rounds in front, the heap still grows by the garbage of the clients: then it was 68 MiB.
 */
const MAX_MIB = 64;
const ROUNDS = 8;
const ITEMS = 10_000;
/** As many as one user may have under way. */
const CLIENTS = 4;

/** A link of 2 kB: the bodies have 20 MB, and so have the answers. */
function longItem(index: number): object {
  return { long_url: `https://example.com/${index}/${'x'.repeat(1_950)}` };
}

describe('the memory of a mapper under bulks and exports', () => {
  let world: World;
  let people: People;
  let mapper: MapperProcess;
  let api: ApiClient;
  let key: string;
  const children: ChildProcess[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 60_000, hasUsers: true });
    people = new People(world.usersUrl);
    mapper = await startMapperProcess(world, (child) => children.push(child), {
      KEYMILL_USERS_DB: world.usersUrl,
    });
    api = new ApiClient(() => mapper.url);
    ({ key } = await people.key(await people.person(), ['links:read', 'links:write']));
    // At full speed: code is compiled, and the young generation has its size.
    for (let round = 0; round < ROUNDS; round += 1)
      await Promise.all(
        Array.from({ length: CLIENTS }, async () =>
          sendLines(
            api,
            { key },
            Array.from({ length: 1_000 }, (_, index) => longItem(index)),
          ),
        ),
      );
  });

  after(async function () {
    this.timeout(60_000);
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map(async (child) => child.exitCode ?? once(child, 'exit')));
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  function resident(): number {
    return residentBytesOf(mapper.child.pid ?? 0) / MIB;
  }

  /** Sends, and reads nothing. */
  async function open(head: string): Promise<Socket> {
    const { hostname, port } = new URL(mapper.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.pause();
    socket.write(`${head}Host: x\r\nAuthorization: Bearer ${key}\r\n`);
    return socket;
  }

  /** Waits until the mapper moves no more bytes of these connections. */
  async function untilStuck(count: () => Promise<number>): Promise<void> {
    let before = -1;
    let calm = 0;
    await until(
      'the mapper to wait for its clients',
      async () => {
        const now = await count();
        calm = now === before ? calm + 1 : 0;
        before = now;
        return calm >= 3 && now > 0;
      },
      { timeoutMs: 30_000, everyMs: 200 },
    );
  }

  async function links(): Promise<number> {
    const counts = await Promise.all(
      world.urls.map(async ({ sql }) => {
        const [rows] = await sql.query('SELECT COUNT(*) AS links FROM owned');
        return (rows as { links: number }[])[0]?.links ?? 0;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  it('is bounded while clients send whole bodies and read no answer', async () => {
    const before = resident();
    const made = await links();
    const body = Buffer.from(
      Array.from({ length: ITEMS }, (_, index) => `${JSON.stringify(longItem(index))}\n`).join(''),
    );
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const socket = await open('POST /urls/bulk HTTP/1.1\r\n');
        socket.write(`Content-Type: ${NDJSON}\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
        return socket;
      }),
    );
    await untilStuck(async () => (await links()) - made);
    const { answer } = await sendLines(api, { key }, [longItem(0)]);
    expect(answer.status, 'a fifth bulk').to.equal(503);
    expect(resident() - before).to.be.below(MAX_MIB);
    for (const client of clients) client.destroy();
    await until('the places to be free', async () => {
      const { items } = await sendLines(api, { key }, [longItem(0)]);
      return items[0]?.status === 201;
    });
  }).timeout(60_000);

  it('is bounded while clients do not read their exports', async () => {
    const before = resident();
    const clients = await Promise.all(
      Array.from({ length: 2 }, async () => {
        const socket = await open('GET /urls/export HTTP/1.1\r\n');
        socket.write('\r\n');
        return socket;
      }),
    );
    await until('a third export to be refused', async () => {
      const { status } = await api.call('GET', '/urls/export', { key });
      return status === 503;
    });
    await untilStuck(async () => {
      const received = clients.map(({ bytesRead }) => bytesRead);
      return received.reduce((sum, bytes) => sum + bytes, 0) + 1;
    });
    expect(resident() - before).to.be.below(MAX_MIB);
    for (const client of clients) client.destroy();
  }).timeout(60_000);
});
