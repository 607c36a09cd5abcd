import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { RefusedError } from '../../runtime/terminal/errors.ts';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import {
  forgetServiceSettings,
  refuseOtherUser,
  shareServiceSettings,
} from '../../scripts/cluster/service-settings.ts';
import { State } from '../../scripts/cluster/state.ts';
import { runKeymill } from '../operator/run-keymill.ts';

describe('the settings of a service', () => {
  let folder: string;
  let runDir: RunDir;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keymill-settings-'));
    runDir = new RunDir(join(folder, 'run'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** What a command has in its environment when it starts parts. */
  function startedWith(env: Record<string, string>, of = runDir): Record<string, string | undefined> {
    const copy: Record<string, string | undefined> = { ...env };
    shareServiceSettings(of, copy);
    return copy;
  }

  const SERVICE = {
    KEYMILL_SERVICE: '1',
    KEYMILL_PUBLIC_URL: 'https://go.example',
    KEYMILL_SIGNUP: 'closed',
    KEYMILL_SMTP_PASSWORD_FILE: '/etc/smtp',
    KEYMILL_NODE: '/x',
    KEYMILL_RUN_DIR: '/srv/run',
    PATH: '/bin',
  };

  it('are those of whoever starts parts from a shell, beneath settings of that shell', () => {
    expect(startedWith(SERVICE)).not.to.have.property('KEYMILL_SERVICE');
    expect(statSync(runDir.serviceFile).mode & 0o777).to.equal(0o600);
    expect(startedWith({ KEYMILL_SIGNUP: 'open', KEYMILL_SMTP_PASSWORD: 'p' })).to.deep.equal({
      KEYMILL_PUBLIC_URL: 'https://go.example',
      KEYMILL_SIGNUP: 'open',
      KEYMILL_SMTP_PASSWORD: 'p',
    });
  });

  it('change with each start of the service, and end with it', () => {
    startedWith(SERVICE);
    startedWith({ KEYMILL_SERVICE: '1', KEYMILL_SIGNUP: 'closed' });
    expect(startedWith({})).to.deep.equal({ KEYMILL_SIGNUP: 'closed' });
    forgetServiceSettings(runDir);
    expect(startedWith({})).to.deep.equal({});
  });

  it('are not those of a copy of the folder', () => {
    startedWith(SERVICE);
    const copy = new RunDir(join(folder, 'copy'));
    cpSync(runDir.path, copy.path, { recursive: true });
    expect(startedWith({}, copy)).to.deep.equal({});
  });

  it('go when the cluster is deleted', () => {
    startedWith(SERVICE);
    runDir.wipe();
    expect(existsSync(runDir.path)).to.equal(false);
  });

  if (process.getuid?.() === 0)
    it('let no other user than that of the cluster change it', async () => {
      mkdirSync(runDir.path, { recursive: true });
      State.open(runDir).recordSetup({ keySource: 'counter' });
      expect(() => refuseOtherUser(runDir, './scripts/up')).not.to.throw();
      chownSync(runDir.stateFile, 4321, 4321);
      expect(() => refuseOtherUser(runDir, './scripts/up')).not.to.throw();
      startedWith(SERVICE);
      expect(() => refuseOtherUser(runDir, './scripts/up')).to.throw(
        RefusedError,
        /runs as user 4321[^]*sudo -u '#4321' \.\/scripts\/up/,
      );
      const env = { KEYMILL_RUN_DIR: runDir.path };
      const up = spawnSync(process.execPath, ['scripts/up.ts', '--detach'], {
        cwd: REPOSITORY,
        env: { ...process.env, ...env },
        encoding: 'utf8',
      });
      const grow = await runKeymill(['grow', '--yes'], env);
      expect([up.status, grow.exitCode]).to.deep.equal([1, 1]);
      expect(up.stderr).to.match(/sudo -u '#4321' \.\/scripts\/up$/m);
      expect(grow.stderr).to.match(/sudo -u '#4321' \.\/scripts\/keymill grow …$/m);
    });
});
