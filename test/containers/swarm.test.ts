import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AuditReport } from '../../db/audit/audit.ts';
import { History } from '../../drills/history/history.ts';
import { Load } from '../../drills/load/load.ts';
import { createRandom } from '../../runtime/random.ts';
import { Client } from '../e2e/client.ts';
import { testFolder } from '../servers.ts';
import { until } from '../until.ts';
import { TestStack } from './stack.ts';
import { CLIENTS, unserved, verdictOf, type Verdict } from './verdict.ts';

/** Longer than the timeout of each of its steps. */
const BRING_UP_MS = 1_800_000;

interface Status {
  readonly locks: readonly { readonly owner: string | null }[];
  readonly pools: readonly { readonly level: number | null; readonly low: number | null }[];
}

describe('deploy/swarm.yml on a swarm of one node', function () {
  this.timeout(600_000);
  const client = new Client(8);
  const stack = new TestStack();

  before(async function () {
    this.timeout(BRING_UP_MS);
    await stack.up();
    await until(
      'every shard to be held, every pool filled, and a mapper behind the port',
      async () => {
        const { locks, pools } = await stack.keymill<Status>('status');
        const isHeld = locks.length > 0 && locks.every(({ owner }) => owner !== null);
        const isFilled = pools.every(({ level, low }) => low !== null && (level ?? 0) > low);
        return isHeld && isFilled && (await client.follow(stack.publicUrl, 'unknown-')).status === 404;
      },
      { timeoutMs: 120_000, everyMs: 1_000 },
    );
  });

  after(async () => {
    client.close();
    await stack.destroy();
  });

  it('shortens through the node’s port, redirects there, and audits', async () => {
    const urls = Array.from({ length: 100 }, (_, n) => `https://example.com/swarm/${n}`);
    const keys = await client.forEach(urls, async (url) => {
      const { status, body } = await client.shorten(stack.publicUrl, url);
      expect(status, body).to.equal(201);
      return (JSON.parse(body) as { unique_id: string }).unique_id;
    });
    expect(new Set(keys).size).to.equal(urls.length);
    const answers = await client.forEach(keys, async (key) => client.follow(stack.publicUrl, key));
    expect(answers.map(({ location }) => location)).to.deep.equal(urls);
    const audit = await until(
      'an audit that balances',
      async () => {
        const found = await stack.keymill<AuditReport>('audit');
        return found.balanced && found;
      },
      { timeoutMs: 60_000, everyMs: 1_000 },
    );
    expect(audit).to.include({ duplicates: 0, bound: urls.length });
  });

  const ours = async (): Promise<string[]> => [
    ...(await stack.containersOf('mapper')),
    ...(await stack.containersOf('producer')),
  ];

  it('a rolling update of mappers and producers fails no request', async () => {
    const count = (verdict: Verdict): number[] => [...unserved(verdict), verdict.unknown];
    const before = await ours();
    const tally = await underLoad(stack, async () => {
      for (const service of ['mapper', 'producer'])
        await stack.docker.run(
          ['service', 'update', '--quiet', '--force', '--update-monitor=1s', `${stack.name}_${service}`],
          { timeoutMs: 300_000 },
        );
    });
    await until(
      'the old containers to end',
      async () => {
        const now = await ours();
        return now.length === before.length && !now.some((id) => before.includes(id));
      },
      { timeoutMs: 60_000 },
    );
    expect(count(tally), `${tally.complaints}\n${await stack.log('haproxy')}`).to.deep.equal([0, 0, 0, 0]);
    expect([tally.lost, tally.duplicates, tally.wrongTarget]).to.deep.equal([0, 0, 0]);
  });
});

/** Runs `work` while clients load the published port, and returns what they saw. */
async function underLoad(stack: TestStack, work: () => Promise<void>): Promise<Verdict> {
  const folder = join(testFolder(), 'stack');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const history = new History(join(folder, `rolling-${Date.now().toString(36)}.jsonl`));
  const port = { id: 'haproxy', url: stack.publicUrl, admin: stack.publicUrl };
  const load = new Load({
    runId: 'rolling',
    ...CLIENTS,
    mappers: () => [port],
    history,
    random: createRandom(1),
  });
  try {
    await until('the load to run', () => load.acked >= CLIENTS.rate, { timeoutMs: 30_000 });
    await work();
    const { acked } = load;
    await until('the load to continue', () => load.acked >= acked + CLIENTS.rate, { timeoutMs: 60_000 });
  } finally {
    await load.stop();
    await history.close();
    await load.balancer.stop();
  }
  return verdictOf(history.path);
}
