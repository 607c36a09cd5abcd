import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../../scripts/cluster/run-dir.ts';
import { missingZooKeeperPackages } from '../../../scripts/servers/zookeeper.ts';

describe('the packages of a growing cluster', () => {
  it('names those without which ZooKeeper cannot start', () => {
    const missing = (...there: string[]): string[] =>
      missingZooKeeperPackages('/usr/bin:/opt/java/bin', (path) => there.includes(String(path)));
    expect(missing()).to.deep.equal(['zookeeper', 'default-jre-headless']);
    expect(missing('/usr/bin/java')).to.deep.equal(['zookeeper']);
    expect(missing('/usr/share/java/zookeeper.jar')).to.deep.equal(['default-jre-headless']);
    expect(missing('/usr/share/java/zookeeper.jar', '/opt/java/bin/java')).to.deep.equal([]);
  });

  it('are installed before a step that may start ZooKeeper, where there is a cluster', () => {
    const runDir = mkdtempSync(join(tmpdir(), 'keymill-packages-'));
    const partsFor = (...args: string[]): string =>
      execFileSync('sh', ['-c', '. "$0/scripts/bootstrap.sh"; servers_for_grow "$@"', REPOSITORY, ...args], {
        env: { PATH: process.env['PATH'], KEYMILL_RUN_DIR: runDir },
        encoding: 'utf8',
      }).trim();
    try {
      expect(partsFor('grow', '--yes')).to.equal('');
      writeFileSync(join(runDir, 'state.json'), '{}');
      for (const args of [['--yes'], ['--step', 'zookeeper'], ['--json', '--step=stores']])
        expect(partsFor('grow', ...args), args.join(' ')).to.equal('servers');
      for (const args of [[], ['--undo'], ['--step', 'mapper'], ['--step=memory', '--json']])
        expect(partsFor('grow', ...args), args.join(' ')).to.equal('');
    } finally {
      rmSync(runDir, { recursive: true });
    }
  });
});
