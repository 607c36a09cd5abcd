import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isRunning, type ProcessIdentity } from '../../scripts/servers/identity.ts';
import { testFolder } from '../servers.ts';
import { until } from '../until.ts';

/** Starts servers like a test run, prints their identities, and hangs. */
const SCRIPT = `
import { startRedis } from '%SERVERS%/redis.ts';
import { startZooKeeper } from '%SERVERS%/zookeeper.ts';
const dir = process.argv[2];
const redis = await startRedis({ id: 'redis', dir: dir + '/redis', logFile: dir + '/redis.log' });
const ensemble = await startZooKeeper({ dir, servers: 1, logFile: (id) => dir + '/' + id + '.log', forceSync: false });
const identities = [redis, ...ensemble.servers].map(({ pid, startTime }) => ({ pid, startTime }));
process.stdout.write(JSON.stringify(identities) + '\\n');
setInterval(() => {}, 1000);
`;

describe('servers for tests, when the test run is killed', () => {
  it('die with it', async () => {
    const dir = join(testFolder(), 'orphans');
    mkdirSync(dir);
    const script = join(dir, 'start.ts');
    writeFileSync(script, SCRIPT.replaceAll('%SERVERS%', join(import.meta.dirname, '../../scripts/servers')));
    const run = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    run.stdout.on('data', (chunk) => (output += String(chunk)));
    await until('the servers', () => output.includes('\n'));
    const identities = JSON.parse(output) as ProcessIdentity[];
    expect(identities.map(isRunning)).to.deep.equal([true, true]);
    run.kill('SIGKILL');
    await until('the servers to be gone', () => !identities.some(isRunning), { timeoutMs: 3_000 });
  });
});
