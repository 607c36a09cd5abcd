import { spawnSync } from 'node:child_process';
import { expect } from 'chai';

/** Prints how many threads begin with the first calls to a disk, when the modules of a mapper are loaded. */
const COUNT = `
  import '${new URL('../../mapper/v8-flags.ts', import.meta.url).href}';
  import '${new URL('../../runtime/config/thread-pool.ts', import.meta.url).href}';
  import '${new URL('../../mapper/mapper.ts', import.meta.url).href}';
  import { readdirSync } from 'node:fs';
  import { stat } from 'node:fs/promises';
  const threads = () => readdirSync('/proc/self/task').length;
  const before = threads();
  await Promise.all(Array.from({ length: 100 }, () => stat('.')));
  console.log(threads() - before);
`;

function begun(size: string | undefined): number {
  const env = { ...process.env, UV_THREADPOOL_SIZE: size };
  const args = ['--input-type=module', '--eval', COUNT];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  if (stdout === '') throw new Error(stderr);
  return Number(stdout);
}

describe('the threads of a mapper', function () {
  this.timeout(60_000);

  it('are sixteen for files and names, or as many as somebody has set', () => {
    expect(begun(undefined)).to.equal(16);
    expect(begun('5')).to.equal(5);
  });
});
