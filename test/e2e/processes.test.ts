import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { AuditReport } from '../../db/audit/audit.ts';
import { Balancer, type BalancedResult } from '../../drills/load/balancer.ts';
import { until } from '../until.ts';
import { Client } from './client.ts';
import { TestCluster, untilNothingRuns } from './cluster.ts';

const PATIENT = { timeoutMs: 60_000 };
const TIMEOUT_MS = 15_000;

describe('a cluster whose mappers have two processes each', function () {
  this.timeout(300_000);
  let cluster: TestCluster;

  before(async () => {
    process.env['KEYMILL_QUARANTINE_MS'] = '3000';
    cluster = new TestCluster('processes');
    const small = '--keys-dbs 2 --producers 2 --redis 2 --zookeepers 1 --mysql-servers 2'.split(' ');
    await cluster.must('up', '--detach', '--processes-per-mapper', '2', ...small);
  });

  after(async () => {
    delete process.env['KEYMILL_QUARANTINE_MS'];
    await cluster.destroy();
    await untilNothingRuns(cluster);
  });

  function processesOf(id: string): number[] {
    const parent = cluster.file.mappers.find((mapper) => mapper.id === id)?.pid;
    if (parent === undefined) throw new Error(`no ${id}`);
    return childrenOf(parent);
  }

  it('loses no acknowledged link when one process is killed under load', async () => {
    const [victim] = processesOf('mapper-1');
    expect(processesOf('mapper-1').concat(processesOf('mapper-2'))).to.have.length(4);
    if (victim === undefined) throw new Error('a process is needed');
    const { acked, refused } = await loadWhile(async (acknowledged) => {
      await until('links', () => acknowledged() > 100, PATIENT);
      process.kill(victim, 'SIGKILL');
      const before = acknowledged();
      await until('more links', () => acknowledged() > before + 100, PATIENT);
    });
    expect(refused).to.deep.equal([]);
    await until('its successor', () => processesOf('mapper-1').length === 2, PATIENT);
    expect(processesOf('mapper-1')).not.to.include(victim);
    const { mappers } = await cluster.keymill<{ mappers: { id: string }[] }>('status');
    expect(mappers.map(({ id }) => id)).to.deep.equal(['mapper-1', 'mapper-2']);
    const client = new Client(8);
    for (const { url } of cluster.file.mappers) {
      const answers = await client.forEach([...acked], async ([key, target]) => {
        const { status, location } = await client.follow(url, key);
        return status === 302 && location === target;
      });
      expect(answers.filter((isRight) => !isRight)).to.deep.equal([]);
    }
    client.close();
  });

  it('balances after the quarantine: the keys of the killed process are recycled', async () => {
    const audit = await until(
      'a balanced audit without leaks',
      async () => {
        const found = await cluster.keymill<AuditReport>('audit', '--repair');
        return found.leaked + found.unknown === 0 && found;
      },
      { timeoutMs: 200_000, everyMs: 1_000 },
    );
    expect(audit).to.include({ balanced: true, duplicates: 0 });
  });

  it('remembers the number of processes, and changes it', async () => {
    const before = cluster.file.mappers;
    await cluster.must('up', '--detach');
    expect(cluster.file.mappers).to.deep.equal(before);
    expect(processesOf('mapper-2')).to.have.length(2);
    await cluster.must('up', '--detach', '--processes-per-mapper', '1');
    for (const { id } of before) expect(processesOf(id)).to.deep.equal([]);
  });

  /** Shortens and follows links through both mappers while `work` runs. */
  async function loadWhile(
    work: (acknowledged: () => number) => Promise<void>,
  ): Promise<{ acked: Map<string, string>; refused: BalancedResult[] }> {
    const balancer = new Balancer(() => cluster.file.mappers);
    const acked = new Map<string, string>();
    const refused: BalancedResult[] = [];
    const load = new AbortController();
    const client = async (name: number): Promise<void> => {
      for (let request = 0; !load.signal.aborted; request += 1) {
        const target = `https://example.com/${name}/${request}`;
        const json = JSON.stringify({ long_url: target });
        const result = await balancer.send({ path: '/urls', timeoutMs: TIMEOUT_MS, json });
        // The connection broke during a POST, so its outcome is unknown.
        if (result.kind === 'closed') continue;
        if (result.kind !== 'answer' || result.status !== 201) {
          refused.push(result);
          continue;
        }
        const { unique_id: key } = JSON.parse(result.body) as { unique_id: string };
        acked.set(key, target);
        const followed = await balancer.send({ path: `/${key}`, timeoutMs: TIMEOUT_MS });
        if (followed.kind !== 'answer' || followed.headers.location !== target) refused.push(followed);
      }
    };
    const clients = Array.from({ length: 8 }, async (_, name) => client(name));
    try {
      await work(() => acked.size);
    } finally {
      load.abort();
      await Promise.all(clients);
      await balancer.stop();
    }
    return { acked, refused };
  }
});

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state !== 'Z' && Number(ppid) === parent;
      } catch {
        return false;
      }
    });
}
