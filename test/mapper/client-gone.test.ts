import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { startMapperProcess, type MapperProcess } from './mapper-process.ts';
import { createWorld, type World } from './world.ts';

const HEAD = 'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nContent-Type: application/json';

/** The beginnings of uploads, by who reads them. */
const UPLOADS = {
  'the fast path': `${HEAD}\r\n\r\n{"long_url":`,
  Koa: `${HEAD}; charset=utf-8\r\n\r\n{"long_url":`,
  'Koa, in chunks': `${HEAD.replace('Content-Length: 100', 'Transfer-Encoding: chunked')}\r\n\r\n5\r\n{"lo`,
};

describe('a client that leaves in the middle of its body', () => {
  let world: World;
  let mapper: MapperProcess;
  const children: ChildProcess[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1, keys: 100 });
    const spawned = (child: ChildProcess): void => void children.push(child);
    mapper = await startMapperProcess(world, spawned, { KEYMILL_LOG_LEVEL: 'debug' });
  });

  after(async function () {
    this.timeout(60_000);
    for (const child of children) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  async function shortens(): Promise<string[]> {
    const { text } = await send('GET', `${mapper.admin}/metrics`);
    const counts = text.split('\n').filter((line) => line.startsWith('keymill_shortens_total'));
    return counts.filter((line) => !line.endsWith(' 0'));
  }

  /** How often the mapper has logged that a client is gone. */
  function departures(): number {
    return mapper.log().split('"client gone"').length - 1;
  }

  for (const [reader, bytes] of Object.entries(UPLOADS)) {
    for (const [how, leave] of [
      ['a reset', 'resetAndDestroy'],
      ['a close', 'destroy'],
    ] as const) {
      it(`is no error of ours: ${reader}, ${how}`, async () => {
        const before = await shortens();
        const goneBefore = departures();
        const { hostname, port } = new URL(mapper.url);
        const socket = connect(Number(port), hostname);
        await once(socket, 'connect');
        await new Promise((resolve) => socket.write(bytes, resolve));
        // Its answer says that the mapper has read what was sent before.
        expect((await shorten(mapper.url, '{}')).status).to.equal(422);
        socket[leave]();
        await once(socket, 'close');
        expect((await shorten(mapper.url, { long_url: 'https://example.com/' })).status).to.equal(201);
        if (reader !== 'the fast path') await until('the line', () => departures() > goneBefore);
        const counted = (await shortens()).filter((line) => !before.includes(line));
        expect(counted.every((line) => /result="(created|invalid)"/.test(line))).to.equal(true);
        expect(
          mapper
            .log()
            .split('\n')
            .filter((line) => line.includes('"level":"error"')),
        ).to.deep.equal([]);
      });
    }
  }

  it('is not counted', async () => {
    const refused = (await shortens()).find((line) => line.includes('invalid'));
    expect(refused).to.equal('keymill_shortens_total{result="invalid"} 6');
  });
});
