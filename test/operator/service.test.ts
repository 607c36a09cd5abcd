import { spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { formatSettings, formatUnit, optionsOf } from '../../scripts/operator/service-unit.ts';
import { giveToOwner, seenFrom } from '../../scripts/operator/sources/service-files.ts';
import { runKeymill, type Outcome } from './run-keymill.ts';

const RUNS_SYSTEMD = existsSync('/run/systemd/system');

describe('keymill service', () => {
  let root: string;
  let unit: string;
  let settings: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'keymill-service-'));
    unit = join(root, 'etc/systemd/system/keymill.service');
    settings = join(root, 'etc/default/keymill');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  async function run(action: string, args: readonly string[] = [], env = {}): Promise<Outcome> {
    return runKeymill(['service', action, ...args, '--root', root], env);
  }

  it('writes a unit that starts at boot, with the options and as the owner of the clone', async () => {
    mkdirSync(join(root, 'etc'));
    const { uid, gid } = statSync(REPOSITORY);
    writeFileSync(join(root, 'etc/passwd'), `somebody:x:${uid}:${gid}::/:/bin/sh\n`);
    const outcome = await run('install', ['--small', '--mappers', '2', '--detach', '--json']);
    expect(outcome, outcome.stderr).to.include({ exitCode: 0, stderr: '' });
    expect(JSON.parse(outcome.stdout)).to.deep.equal({
      name: 'keymill',
      unit,
      settings,
      user: 'somebody',
      options: ['--small', '--mappers', '2'],
      changed: true,
      started: false,
      taken: [],
    });
    const text = readFileSync(unit, 'utf8');
    expect(text)
      .to.include(`ExecStart=/bin/sh "${REPOSITORY}/scripts/service" "--small" "--mappers" "2"\n`)
      .and.include(`ExecStop=/bin/sh "${REPOSITORY}/scripts/down"\n`)
      .and.include('User=somebody\n')
      .and.include('EnvironmentFile=-/etc/default/keymill\n')
      .and.match(/^Restart=on-failure$/m)
      .and.match(/^StartLimitBurst=10$/m);
    const link = join(root, 'etc/systemd/system/multi-user.target.wants/keymill.service');
    expect(readlinkSync(link)).to.equal('/etc/systemd/system/keymill.service');
  });

  it('keeps the settings of the shell, for the service alone, and later those of the operator', async () => {
    const { stdout } = await run('install', [], {
      KEYMILL_PUBLIC_URL: 'https://go.example',
      KEYMILL_RUN_DIR: '.run-other',
      KEYMILL_KEY_SECRET: 'a $ecret "with" \\ marks',
      KEYMILL_API_KEY: 'km_1',
      KEYMILL_NODE: '/x',
      HOME: '/root',
    });
    expect(statSync(settings).mode & 0o777).to.equal(0o600);
    expect(readFileSync(settings, 'utf8').replaceAll(/^#.*\n/gm, '')).to.equal(
      'KEYMILL_PUBLIC_URL="https://go.example"\n' +
        `KEYMILL_RUN_DIR="${process.cwd()}/.run-other"\n` +
        'KEYMILL_KEY_SECRET="a \\$ecret \\"with\\" \\\\ marks"\n',
    );
    expect(stdout).to.match(
      /now has KEYMILL_PUBLIC_URL, KEYMILL_RUN_DIR, KEYMILL_KEY_SECRET of this shell$/m,
    );
    writeFileSync(settings, 'KEYMILL_PUBLIC_URL=https://mine.example\n');
    const again = await run('install', [], { KEYMILL_PUBLIC_URL: 'https://go.example' });
    expect(again.stderr).to.match(/KEYMILL_PUBLIC_URL of this shell: not used, because .*keymill exists/);
    expect(readFileSync(settings, 'utf8')).to.equal('KEYMILL_PUBLIC_URL=https://mine.example\n');
  });

  it('says that the settings are empty, as they are behind sudo', async () => {
    const { stdout } = await run('install');
    expect(stdout).to.match(/keymill is empty, as this shell has no variables KEYMILL_… \(sudo drops them\)/);
    expect((await run('install')).stdout).not.to.match(/sudo/);
  });

  if (process.getuid?.() === 0)
    it('gives the owner what root has made in a folder of his', () => {
      for (const [name, uid] of [
        ['made-by-root', 0],
        ['of-the-owner', 1234],
        ['of-another', 4321],
      ] as const) {
        writeFileSync(join(root, name), '');
        chownSync(join(root, name), uid, uid);
      }
      symlinkSync('/etc/passwd', join(root, 'link'));
      chownSync(root, 1234, 1234);
      giveToOwner(root, { uid: 1234, gid: 1234 });
      const owners = ['made-by-root', 'of-the-owner', 'of-another', 'link'].map(
        (name) => lstatSync(join(root, name)).uid,
      );
      expect(owners).to.deep.equal([1234, 1234, 4321, 1234]);
      expect(statSync('/etc/passwd').uid).to.equal(0);
    });

  it('changes nothing when it is done again, and only the unit when the options differ', async () => {
    await run('install', ['--small']);
    const before = readFileSync(unit, 'utf8');
    const again = await run('install', ['--small']);
    expect(again.stdout).to.match(/is as it should be/);
    expect(readFileSync(unit, 'utf8')).to.equal(before);
    const other = await run('install', ['--small', '--mappers=2']);
    expect(other.stdout).to.match(/has changed/);
    expect(optionsOf(readFileSync(unit, 'utf8'))).to.equal('"--small" "--mappers=2"');
  });

  it('removes what it has written, twice, and leaves the settings', async () => {
    await run('install', ['--small']);
    expect(JSON.parse((await run('remove', ['--json'])).stdout)).to.deep.equal({
      name: 'keymill',
      removed: true,
    });
    expect(existsSync(unit)).to.equal(false);
    expect(existsSync(join(root, 'etc/systemd/system/multi-user.target.wants/keymill.service'))).to.equal(
      false,
    );
    expect(existsSync(settings)).to.equal(true);
    const again = await run('remove');
    expect(again).to.include({ exitCode: 0, stdout: 'there is no service keymill\n' });
  });

  it('leaves alone what others have written', async () => {
    mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
    writeFileSync(unit, '[Unit]\n');
    for (const action of ['install', 'remove']) {
      const { exitCode, stderr } = await run(action);
      expect(exitCode).to.equal(1);
      expect(stderr).to.match(/not written by keymill service install: choose another --name/);
    }
    await run('install', ['--name', 'other']);
    const other = join(root, 'etc/systemd/system/other.service');
    writeFileSync(other, readFileSync(other, 'utf8').replaceAll(REPOSITORY, '/srv/other'));
    const { exitCode, stderr } = await run('install', ['--name', 'other']);
    expect(exitCode).to.equal(1);
    expect(stderr).to.match(/runs the cluster of another folder: choose another --name/);
  });

  it('refuses wrong options, and writes nothing', async () => {
    const wrong: [readonly string[], RegExp][] = [
      [['--smal'], /unknown option '--smal'[^]*--small/],
      [['--mappers', 'many'], /--mappers .*whole number/],
      [['--small', '--zookeepers', '3'], /--small.*cannot be used with.*--zookeepers/],
      [['--containers'], /--containers: Docker itself starts containers/],
      [['--faultable'], /only options of a usual cluster/],
      [['--name', '../x'], /--name \.\.\/x: expected a letter/],
      [['--root', '/no/such/folder'], /--root \/no\/such\/folder: expected the folder/],
    ];
    for (const [args, expected] of wrong) {
      const { exitCode, stdout, stderr } = await runKeymill(['service', 'install', '--root', root, ...args]);
      expect({ exitCode, stdout }, args.join(' ')).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.match(expected);
    }
    expect(existsSync(join(root, 'etc'))).to.equal(false);
  });

  if (!RUNS_SYSTEMD)
    it('says what to do where systemd does not manage the machine', async () => {
      for (const action of ['install', 'remove']) {
        const { exitCode, stdout, stderr } = await runKeymill(['service', action, '--name', 'no-such']);
        expect({ exitCode, stdout }).to.deep.equal({ exitCode: 1, stdout: '' });
        expect(stderr).to.match(
          /systemd does not manage this machine[^]*own init run \.\/scripts\/up --detach/,
        );
      }
    });

  it('shows that nothing is installed, exit code 1', async () => {
    const text = await runKeymill(['service', 'status', '--name', 'no-such']);
    expect(text).to.include({ exitCode: 1, stdout: 'no-such  not installed: keymill service install\n' });
    const json = await runKeymill(['service', 'status', '--name', 'no-such', '--json']);
    expect(JSON.parse(json.stdout)).to.include({ name: 'no-such', installed: false, active: 'inactive' });
  });

  it('names a clone inside an image as the machine with the image sees it', () => {
    expect(seenFrom('/img', '/img/srv/keymill')).to.equal('/srv/keymill');
    expect(seenFrom('/img', '/srv/keymill')).to.equal('/srv/keymill');
    expect(seenFrom('/', '/srv/keymill')).to.equal('/srv/keymill');
    expect(seenFrom('/img', '/img-2/keymill')).to.equal('/img-2/keymill');
  });

  if (existsSync('/usr/bin/systemd-analyze'))
    it('writes a unit that systemd understands, wherever the clone is', () => {
      const clone = join(root, `50% of "my" $HOME's links`);
      mkdirSync(join(clone, 'scripts'), { recursive: true });
      const path = join(root, 'keymill.service');
      writeFileSync(path, formatUnit({ ...PLAIN, clone, user: 'root', group: 'root' }));
      const checked = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
      expect({ status: checked.status, stderr: checked.stderr }).to.deep.equal({ status: 0, stderr: '' });
    });

  it('refuses paths and settings that a unit cannot have', () => {
    for (const clone of ['/srv/a\nb', '/srv/a\\b', '/srv/a '])
      expect(() => formatUnit({ ...PLAIN, clone })).to.throw(
        /cannot stand in a systemd unit: move the folder/,
      );
    expect(() => formatSettings({ KEYMILL_KEY_SECRET: 'a\nb' })).to.throw(
      /KEYMILL_KEY_SECRET: .*no line breaks/,
    );
  });
});

const PLAIN = {
  clone: '/srv/keymill',
  user: 'links',
  group: 'links',
  settingsFile: '/etc/default/keymill',
  options: ['--small'],
};
