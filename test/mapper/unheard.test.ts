import { expect } from 'chai';
import { createLog } from '../../runtime/log.ts';
import { startWire, through } from '../db/wire.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { createWorld, type TestMapper } from './world.ts';

describe('a mapper that no Redis answers', function () {
  this.timeout(60_000);

  it('makes aliases without a wait, counts them as unheard, and logs that once', async () => {
    await using world = await createWorld();
    const wires = await Promise.all(world.redis.map(async ({ url }) => startWire(url)));
    const redis = world.redis.map(({ name, url }, index) => {
      const wire = wires[index];
      return { name, url: wire === undefined ? url : through(wire, url) };
    });
    const log = createLog('test', 'unheard', 'silent');
    const lines: string[] = [];
    const note = (...args: unknown[]): void => void lines.push(String(args.at(-1)));
    Object.assign(log, { warn: note, info: note });
    const mapper = await world.start({ stores: { redis }, log });
    try {
      await makeAlias(mapper, 1);
      for (const wire of wires) wire.silence();
      let made = 1;
      await until('the silence to be known', async () => (await makeAlias(mapper, (made += 1))) < 200);
      while ((await metric(mapper, 'changes_total{heard="none"}')) < 3) await makeAlias(mapper, (made += 1));
      await until(
        'the gauge',
        async () => (await metric(mapper, 'announcements_heard{pool="redis-1"}')) === 0,
      );
      for (const wire of wires) wire.heal();
      await until('a change to be heard', async () => {
        await makeAlias(mapper, (made += 1));
        return (await metric(mapper, 'changes_total{heard="all"}')) >= 2;
      });
      expect(lines.filter((line) => line.includes('no redis took'))).to.have.length(1);
      expect(lines.filter((line) => line.includes('heard by every mapper again'))).to.have.length(1);
    } finally {
      for (const wire of wires) await wire[Symbol.asyncDispose]();
    }
  });
});

/** @returns how long it took, in ms */
async function makeAlias({ url }: TestMapper, number: number): Promise<number> {
  const startedMs = performance.now();
  const alias = `unheard-${number}`;
  const { status } = await shorten(url, { long_url: 'https://example.com/', custom_alias: alias });
  expect(status).to.equal(201);
  return performance.now() - startedMs;
}

async function metric({ adminUrl }: TestMapper, name: string): Promise<number> {
  const { text } = await send('GET', `${adminUrl}/metrics`);
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`keymill_${name} `))
      ?.split(' ')[1] ?? 0,
  );
}
