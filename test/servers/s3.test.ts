import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { ask } from '../../scripts/servers/probe.ts';
import { testS3 } from '../servers.ts';
import { until } from '../until.ts';

describe('an S3 server for tests', function () {
  this.timeout(120_000);

  it('answers on the loopback address, and knows who may use it', async () => {
    const { server, bucket } = await testS3();
    const refusal = await fetch(`${server.endpoint}/${bucket}`, { signal: AbortSignal.timeout(10_000) });
    expect(refusal.status).to.be.oneOf([403, 404]);
    expect(server.blobs(bucket)).to.match(/^s3:\/\/[0-9a-f]+:[0-9a-f]+@127\.0\.0\.1:\d+\/test-[0-9a-f]+$/);
  });

  it('ends, with everything behind it, when the run that started it is killed', async () => {
    const run = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/s3-run.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(createInterface({ input: run.stdout }), 'line')) as [string];
      const { port, folder } = JSON.parse(line) as { port: number; folder: string };
      expect(await ask(port, 'GET / HTTP/1.0\r\n\r\n', (answer) => answer.startsWith('HTTP'))).to.be.a(
        'string',
      );
      expect(processesIn(folder)).to.have.lengthOf(3);
      run.kill('SIGKILL');
      await until('its three processes to be gone', () => processesIn(folder).length === 0, {
        timeoutMs: 30_000,
      });
    } finally {
      run.kill('SIGKILL');
    }
  });
});

/** The ids of the processes that work in a folder. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  });
}
