import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { ranMs } from './ran-ms.ts';
import { threadCpuMs } from './thread-cpu.ts';
import { until } from './until.ts';

const STOPPED_MS = 600;

describe('the clock for bounds of time', () => {
  it('does not go on while its process stands still', async () => {
    const clock = new URL('ran-ms.ts', import.meta.url).href;
    const code = `import(${JSON.stringify(clock)}).then(({ ranMs }) => {
      const [ran, wall] = [ranMs(), performance.now()];
      process.once('message', () => process.send([ranMs() - ran, performance.now() - wall]));
      process.send('measures');
    });`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    try {
      await once(child, 'message');
      child.kill('SIGSTOP');
      const stoppedAtMs = performance.now();
      await until('a while', () => performance.now() - stoppedAtMs > STOPPED_MS);
      child.send('report');
      child.kill('SIGCONT');
      const [[ran, wall]] = (await once(child, 'message')) as [[number, number]];
      expect(wall - ran).to.be.at.least(STOPPED_MS - 50);
      expect(ran).to.be.at.least(0);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('goes on while the process waits', async () => {
    const began = ranMs();
    const beganMs = performance.now();
    await until('300 ms of it', () => ranMs() - began > 300);
    expect(performance.now() - beganMs).to.be.at.least(280);
  });

  it('goes on while the event loop of its process is blocked', () => {
    const began = ranMs();
    const cpu = threadCpuMs();
    while (threadCpuMs() - cpu < 300);
    expect(ranMs() - began).to.be.at.least(200);
  });
});
