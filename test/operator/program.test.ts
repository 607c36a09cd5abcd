import { expect } from 'chai';
import manifest from '../../package.json' with { type: 'json' };
import { runKeymill } from './run-keymill.ts';

const COMMANDS = [
  'shorten',
  'status',
  'locks',
  'locks release',
  'pools',
  'producers',
  'producers drain',
  'where',
  'stats',
  'service install',
  'service remove',
  'service status',
  'keys generate',
  'audit',
  'prepare',
  'zookeeper adopt',
  'urls restored',
  'import',
  'zk',
  'drill',
  'bench',
];

describe('keymill: the command line', () => {
  it('prints the version of the package', async () => {
    expect(await runKeymill(['--version'])).to.deep.equal({
      exitCode: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    });
  });

  it('lists every command, and each has --help and --json', async () => {
    const { stdout: list } = await runKeymill(['--help']);
    for (const command of COMMANDS) {
      const { exitCode, stdout } = await runKeymill([...command.split(' '), '--help']);
      expect(exitCode, command).to.equal(0);
      expect(stdout, command).to.include('--json').and.include(`keymill ${command}`);
      expect(list).to.include(`\n  ${command.split(' ')[0]} `);
    }
  });

  it('explains wrong usage on stderr, exit code 2', async () => {
    for (const args of [
      [],
      ['sttaus'],
      ['status', 'now'],
      ['status', '--jsno'],
      ['locks', 'release'],
      ['locks', 'relaese', 'keys-db-1'],
      ['producers', 'drain'],
      ['keys'],
      ['zookeeper'],
      ['urls'],
      ['urls', 'restored'],
      ['import'],
      ['shorten'],
      ['service'],
      ['where'],
      ['bench', 'everything'],
    ]) {
      const { exitCode, stdout, stderr } = await runKeymill(args);
      expect({ exitCode, stdout }, args.join(' ')).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).not.to.equal('');
    }
  });
});
