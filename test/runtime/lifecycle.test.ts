import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { run } from '../../runtime/lifecycle.ts';
import { createLog } from '../../runtime/log.ts';
import { pause } from '../../runtime/retry.ts';

const log = createLog('test', 'lifecycle', 'silent');

/** A process that logs a line when it starts, and several lines at its end. */
const TALKATIVE = `
  const { runMain } = await import('../../runtime/lifecycle.ts');
  const { createLog } = await import('../../runtime/log.ts');
  const log = createLog('test', 'talkative');
  await runMain(() => ({
    log,
    shutdownDeadlineMs: 1_000,
    start: async (scope) => {
      scope.onRelease('words', () => log.info('leaving'));
      log.info('started');
    },
  }));
`;

describe('lifecycle of a process', () => {
  it('releases in reverse order after a signal and ends with 0', async () => {
    const order: string[] = [];
    const code = await run({ log, shutdownDeadlineMs: 1_000 }, async (scope) => {
      scope.onRelease('first', () => order.push('first'));
      scope.onRelease('second', () => order.push('second'));
      setImmediate(() => process.emit('SIGTERM'));
    });
    expect(code).to.equal(0);
    expect(order).to.deep.equal(['second', 'first']);
  });

  it('continues to release when it was asked to stop and a signal to its process group follows', async () => {
    const released: string[] = [];
    const code = await run({ log, shutdownDeadlineMs: 1_000 }, async (scope) => {
      scope.onRelease('slow', async () => {
        process.emit('SIGTERM');
        await pause(1);
        released.push('slow');
      });
      scope.stop('asked');
    });
    expect(code).to.equal(0);
    expect(released).to.deep.equal(['slow']);
  });

  it('releases the acquired resources when the start fails half-way, and ends with 1', async () => {
    const released: string[] = [];
    const code = await run({ log, shutdownDeadlineMs: 1_000 }, async (scope) => {
      scope.onRelease('half', () => released.push('half'));
      throw new Error('no');
    });
    expect(code).to.equal(1);
    expect(released).to.deep.equal(['half']);
  });

  it('releases the other resources when one release hangs', async () => {
    const released: string[] = [];
    const code = await run({ log, shutdownDeadlineMs: 5_000, releaseDeadlineMs: 50 }, async (scope) => {
      scope.onRelease('last', () => released.push('last'));
      scope.onRelease('hangs', () => pause(60_000, AbortSignal.timeout(1_000)));
      scope.fail(new Error('stop'));
    });
    expect(code).to.equal(1);
    expect(released).to.deep.equal(['last']);
  });

  it('ends although the reader of its log is gone', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', TALKATIVE], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: import.meta.dirname,
    });
    try {
      const exited = once(child, 'exit');
      await once(child.stdout, 'data');
      child.stdout.destroy();
      child.kill('SIGTERM');
      const late = pause(15_000).then(() => ['it hangs']);
      expect((await Promise.race([exited, late]))[0]).to.equal(0);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
