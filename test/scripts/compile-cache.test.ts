import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

/** What the launchers would set NODE_COMPILE_CACHE to in a checkout at `root`; '' for no cache. */
function cacheOf(root: string): string {
  const script =
    '. "$1/scripts/bootstrap.sh"; KEYMILL_ROOT=$2; keep_compiled_code; printf %s "${NODE_COMPILE_CACHE-}"';
  const { PATH } = process.env;
  return execFileSync('sh', ['-c', script, 'sh', REPOSITORY, root], { env: { PATH }, encoding: 'utf8' });
}

describe('the cache of compiled code', () => {
  let root: string;
  let cache: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'keymill-cache-'));
    cache = join(root, '.run/compile-cache');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('is a folder that only its user may read, in a run folder alike', () => {
    expect(cacheOf(root)).to.equal(cache);
    expect(statSync(cache).mode & 0o777).to.equal(0o700);
    expect(statSync(join(root, '.run')).mode & 0o777).to.equal(0o700);
    chmodSync(cache, 0o755);
    expect(cacheOf(root)).to.equal(cache);
    expect(statSync(cache).mode & 0o777).to.equal(0o700);
  });

  it('is not used where a link leads elsewhere, and leaves its target alone', () => {
    const elsewhere = join(root, 'elsewhere');
    mkdirSync(elsewhere, { mode: 0o755 });
    mkdirSync(join(root, '.run'));
    symlinkSync(elsewhere, cache);
    expect(cacheOf(root)).to.equal('');
    expect(statSync(elsewhere).mode & 0o777).to.equal(0o755);
  });

  it('is not used where a file stands in its place', () => {
    mkdirSync(join(root, '.run'));
    writeFileSync(cache, '');
    expect(cacheOf(root)).to.equal('');
  });
});
