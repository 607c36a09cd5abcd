import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { testFolder } from '../servers.ts';

/** The last line and the exit code of a suite: first of the plain one, then of the one in containers. */
interface Said {
  readonly plain: string;
  readonly containers: string;
}

describe('.ci/run', () => {
  let rounds = 0;

  /** Runs it with fake suites that print the given lines. */
  function run({ plain, containers }: Said): { code: number | null; lines: string[] } {
    const root = join(testFolder(), `ci-${++rounds}`);
    for (const folder of ['.ci', 'scripts']) mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(join(REPOSITORY, '.ci/run'), join(root, '.ci/run'));
    const script = join(root, 'scripts/test');
    writeFileSync(script, `#!/bin/sh\nif [ "$1" = containers ]; then ${containers}; else ${plain}; fi\n`);
    chmodSync(script, 0o755);
    const { status, stdout } = spawnSync(join(root, '.ci/run'), { encoding: 'utf8' });
    return { code: status, lines: stdout.trimEnd().split('\n') };
  }

  const GOOD = 'echo "5 passed, 0 failed, 0 skipped"';

  it('is executable', () => {
    execFileSync('bash', ['-n', join(REPOSITORY, '.ci/run')]);
  });

  it('runs both suites, and its last line counts both', () => {
    const { code, lines } = run({ plain: 'echo "7 passed, 0 failed, 1 skipped"', containers: GOOD });
    expect(lines).to.deep.equal([
      '7 passed, 0 failed, 1 skipped',
      '5 passed, 0 failed, 0 skipped',
      '12 passed, 0 failed, 1 skipped',
    ]);
    expect(code).to.equal(0);
  });

  it('runs the suite in containers with --where-possible, so that it is skipped without an engine', () => {
    const containers = 'echo "$*"; echo "0 passed, 0 failed, 1 skipped"';
    const { code, lines } = run({ plain: GOOD, containers });
    expect([code, lines.at(-1)]).to.deep.equal([0, '5 passed, 0 failed, 1 skipped']);
    expect(lines[1]).to.equal('containers --clean --where-possible');
  });

  it('repeats the failures of both suites at its end', () => {
    const failing = (name: string): string =>
      `printf "failed tests:\\n1) ${name}\\n4 passed, 1 failed, 0 skipped\\n"; exit 1`;
    const { lines } = run({ plain: failing('a pool'), containers: failing('an image') });
    expect(lines.slice(-5)).to.deep.equal([
      'failed tests:',
      '1) a pool',
      'failed tests:',
      '1) an image',
      '8 passed, 2 failed, 0 skipped',
    ]);
  });

  it('runs the second suite after a failure of the first, and fails when one of them fails', () => {
    const bad = 'echo "7 passed, 2 failed, 0 skipped"; exit 1';
    for (const said of [
      { plain: bad, containers: GOOD },
      { plain: GOOD, containers: bad },
    ]) {
      const { code, lines } = run(said);
      expect([code, lines.at(-1)]).to.deep.equal([1, '12 passed, 2 failed, 0 skipped']);
    }
  });

  it('counts one failure for a suite without a count, or with a bad exit code and no counted failure', () => {
    for (const broken of ['echo "cannot begin"; exit 1', 'exit 0', 'kill -9 $$']) {
      const { code, lines } = run({ plain: GOOD, containers: broken });
      expect([code, lines.at(-1)], broken).to.deep.equal([1, '5 passed, 1 failed, 0 skipped']);
    }
    const { code, lines } = run({ plain: `${GOOD}; exit 3`, containers: GOOD });
    expect([code, lines.at(-1)]).to.deep.equal([1, '10 passed, 1 failed, 0 skipped']);
  });
});
