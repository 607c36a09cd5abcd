import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

const run = promisify(execFile);

async function git(...args: string[]): Promise<string> {
  return (await run('git', args, { cwd: REPOSITORY })).stdout.trim();
}

describe('the releases of the changelog', () => {
  const changelog = readFileSync(join(REPOSITORY, 'CHANGELOG.md'), 'utf8');
  const released = [...changelog.matchAll(/^## (\d+\.\d+\.\d+), \d{4}-\d\d-\d\d$/gm)].map(
    ([, version]) => version,
  );

  it('are there', () => {
    expect(released).to.include('0.1.0');
  });

  for (const version of released) {
    it(`are found again in the history: ${version}`, async () => {
      const commit = await git('log', '-1', '--format=%H', '--grep', `^Release ${version}$`);
      expect(commit, `no commit "Release ${version}"`).to.match(/^[0-9a-f]{40}$/);
      const manifest: unknown = JSON.parse(await git('show', `${commit}:package.json`));
      expect(manifest).to.have.property('version', version);
    });
  }
});
