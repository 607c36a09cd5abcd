import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { isTransaction, viaProxy } from '../mapper/faulty.ts';
import { until } from '../until.ts';
import { createImportWorld, manyLinks, type ImportWorld } from './import-world.ts';
import { runKeymill } from './run-keymill.ts';

const RECORDS = 3_000;
/** More than the batches that are under way at the same time: some are left when the command is stopped. */
const LONGER = 5_000;
/** Of transactions that were committed. */
const CUTS = 4;
const GOOD = RECORDS - RECORDS / 100;

describe('keymill import: stores and people that interfere', () => {
  let world: ImportWorld;
  before(async () => {
    world = await createImportWorld({ keys: 10_000 });
  });
  after(async () => world[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const table of ['urls', 'owned', 'link_tags', 'click_totals', 'import_batches', 'imports'])
      await world.query(`DELETE FROM ${table}`);
  });

  it('makes each link once when answers of a server are cut off', async () => {
    const [first, second] = world.world.urls;
    if (first === undefined) return;
    const { url, proxy } = await viaProxy(first);
    const file = await world.write('cut.csv', manyLinks(RECORDS));
    const urls = `urls-1:0-15=${url},urls-2:16-31=${second?.url}`;
    let cuts = 0;
    const isCut = (sent: Buffer): boolean => {
      if (!isTransaction(sent)) return false;
      cuts += 1;
      if (cuts < CUTS) queueMicrotask(() => proxy.cutBeforeReplyTo(isCut));
      return true;
    };
    proxy.cutBeforeReplyTo(isCut);
    const { exitCode, stderr } = await runKeymill(['import', file], { ...world.env, KEYMILL_URLS_DBS: urls });
    await proxy.stop();
    expect(exitCode, stderr).to.equal(1);
    expect(cuts).to.equal(CUTS);
    const targets = (await world.links()).map(({ target }) => target);
    expect([targets.length, new Set(targets).size]).to.deep.equal([GOOD, GOOD]);
  });

  it('ends well after Ctrl-C, says how to go on, and goes on', async () => {
    const [first, second] = world.world.urls;
    if (first === undefined) return;
    const { url, proxy } = await viaProxy(first);
    // One of two servers takes no links until SIGINT is sent: the work is not over, however quick it is.
    proxy.silenceFrom(isTransaction);
    const file = await world.write('stopped.csv', manyLinks(LONGER));
    const child = spawn(process.execPath, ['scripts/keymill.ts', 'import', file], {
      env: { ...world.env, KEYMILL_URLS_DBS: `urls-1:0-15=${url},urls-2:16-31=${second?.url}` },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const exited = once(child, 'exit');
    await until(
      'a batch to be stored',
      async () => (await world.query('SELECT 1 FROM urls LIMIT 1')).length > 0,
    );
    await until('the silence', () => proxy.isSilent);
    child.kill('SIGINT');
    proxy.heal();
    expect(await exited).to.deep.equal([1, null]);
    await proxy.stop();
    expect(said).to.include('stopped: the same command goes on, and makes no link twice');
    const good = LONGER - LONGER / 100;
    const stored = (await world.links()).length;
    expect(stored).to.be.within(1, good - 1);
    const { exitCode } = await world.keymill('import', file);
    expect(exitCode).to.equal(1);
    const targets = (await world.links()).map(({ target }) => target);
    expect([targets.length, new Set(targets).size]).to.deep.equal([good, good]);
  });

  it('makes each link once when two people import the same file at the same time', async () => {
    const file = await world.write('both.csv', manyLinks(RECORDS));
    const both = await Promise.all([world.keymill('import', file), world.keymill('import', file)]);
    expect(both.map(({ exitCode }) => exitCode)).to.deep.equal([1, 1]);
    const targets = (await world.links()).map(({ target }) => target);
    expect([targets.length, new Set(targets).size]).to.deep.equal([GOOD, GOOD]);
  });

  it('waits for keys while the pools are empty, and leaves half of a pool to others', async () => {
    for (const { client } of world.world.redis) await client.del('keys:available');
    const file = await world.write('empty.csv', `url\n${'https://e.example/keyless\n'.repeat(60)}`);
    const running = world.keymill('import', file);
    const keys = await world.world.fill(0, 100);
    const before = await until('keys to be taken', async () => {
      const level = (await world.world.redis[0]?.client.llen('keys:available')) ?? 0;
      return level < 100 ? { level } : undefined;
    });
    expect(before.level).to.be.within(25, 50);
    expect((await running).exitCode).to.equal(0);
    const made = await world.query<{ unique_id: string }>('SELECT unique_id FROM urls');
    expect(keys).to.include.members(made.map(({ unique_id: key }) => key));
    expect(made).to.have.length(60);
  });

  it('is refused when the map of slots is another one', async () => {
    const [first, second] = world.world.urls;
    const urls = [`urls-1:0-15=${second?.url}`, `urls-2:16-31=${first?.url}`].join(',');
    const file = await world.write('map.csv', 'url\nhttps://e.example/\n');
    const { exitCode, stderr } = await runKeymill(['import', file], { ...world.env, KEYMILL_URLS_DBS: urls });
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('slots');
    expect(await world.links()).to.deep.equal([]);
  });
});
