import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { findCluster } from '../../scripts/operator/sources/find-cluster.ts';
import { testFolder } from '../servers.ts';
import { runKeymill } from './run-keymill.ts';

const SECRET = 'a secret of the test';

function writeCluster(name: string, document: unknown): string {
  const dir = join(testFolder(), name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(
    join(dir, 'cluster.json'),
    typeof document === 'string' ? document : JSON.stringify(document),
  );
  return dir;
}

const document = {
  mappers: [{ id: 'mapper-1', url: 'http://127.0.0.1:8080', admin: 'http://127.0.0.1:9101', pid: 1 }],
  producers: [{ id: 'producer-1', supervisorPid: 2, workerPid: 3, admin: 'http://127.0.0.1:9201' }],
  zookeeper: { connect: '127.0.0.1:1', servers: [{ id: 1, port: 1, pid: 4 }] },
  redis: [{ name: 'redis-1', url: 'redis://127.0.0.1:6379', pid: 5 }],
  mysql: [{ name: 'urls-1', port: 3306, pid: 6 }],
  keysDbs: [{ name: 'keys-db-1', url: 'mysql://u:hidden@127.0.0.1:3306/keys_1' }],
  urlsDbs: [{ name: 'urls-1', url: 'mysql://u:hidden@127.0.0.1:3306/urls', slots: '0-31' }],
  usersDb: { url: 'mysql://u:hidden@127.0.0.1:3306/users' },
};

describe('operator: finding the cluster', () => {
  it('says what to type when no cluster runs, exit code 2, nothing on stdout', async () => {
    const dir = join(testFolder(), 'no-cluster');
    for (const command of [
      ['zk', 'ls', '/'],
      ['status'],
      ['status', '--json'],
      ['audit'],
      ['where', 'AAAAAAAA'],
    ]) {
      const { exitCode, stdout, stderr } = await runKeymill(command, { KEYMILL_RUN_DIR: dir });
      expect({ exitCode, stdout }, command.join(' ')).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.include('no cluster is running').and.include('./scripts/up');
    }
  });

  it('reads the file that up wrote, and validates it like the variables', () => {
    const KEYMILL_RUN_DIR = writeCluster('cluster', document);
    const { config, file } = findCluster({ KEYMILL_RUN_DIR, KEYMILL_KEY_SECRET: SECRET });
    expect(config.zookeeper?.connect).to.equal('127.0.0.1:1');
    expect(config.stores.redis).to.deep.equal([{ name: 'redis-1', url: 'redis://127.0.0.1:6379' }]);
    expect(config.stores.keysDbs.map(({ name, region }) => [name, region])).to.deep.equal([['keys-db-1', 0]]);
    expect(config.stores.urlsDbs[0]?.slots).to.have.length(32);
    expect(file?.mappers[0]?.admin).to.equal('http://127.0.0.1:9101');
    expect(config.adminToken).to.equal(undefined);
  });

  it('takes the admin token of the file, whatever the variables say, and theirs if the file has none', () => {
    const adminToken = 'the-token-of-the-file';
    const KEYMILL_RUN_DIR = writeCluster('token', { ...document, adminToken });
    const without = { KEYMILL_RUN_DIR: writeCluster('no-token', document), KEYMILL_KEY_SECRET: SECRET };
    const tokenOf = (env: Record<string, string>): string | undefined => findCluster(env).config.adminToken;
    const env = { KEYMILL_RUN_DIR, KEYMILL_KEY_SECRET: SECRET };
    expect(tokenOf({ ...env, KEYMILL_ADMIN_TOKEN: 'another-token-of-ours' })).to.equal(adminToken);
    expect(tokenOf({ ...env, KEYMILL_ADMIN_TOKEN_FILE: '/nowhere' })).to.equal(adminToken);
    expect(tokenOf({ ...without, KEYMILL_ADMIN_TOKEN: 'another-token-of-ours' })).to.equal(
      'another-token-of-ours',
    );
  });

  it('prefers the variables to the file, and names all their faults', async () => {
    const KEYMILL_RUN_DIR = writeCluster('shadowed', document);
    const { exitCode, stdout, stderr } = await runKeymill(['status', '--json'], {
      KEYMILL_RUN_DIR,
      KEYMILL_ZOOKEEPER: 'nonsense',
    });
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
    for (const name of ['ZOOKEEPER', 'REDIS', 'KEYS_DBS', 'URLS_DBS', 'KEY_SECRET']) {
      expect(stderr).to.include(`KEYMILL_${name}`);
    }
  });

  it('repeats no password of a connect string, whichever command reads it', async () => {
    const env = { KEYMILL_ZOOKEEPER: 'user:hidden-one@127.0.0.1:1,user:hidden-two@127.0.0.1:2' };
    for (const command of [['zk', 'ls', '/'], ['locks'], ['status', '--json']]) {
      const { exitCode, stdout, stderr } = await runKeymill(command, env);
      expect({ exitCode, stdout }, command.join(' ')).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr, command.join(' ')).to.include('host:port').and.not.include('hidden-');
    }
  });

  it('names a damaged file and its fault, without quoting it', async () => {
    const cases: [string, string][] = [
      ['half', '{"mappers": ['],
      ['empty', '{}'],
      ['garbled', '{"usersDb": {"url": mysql://u:hidden@127.0.0.1/users}}'],
    ];
    for (const [name, text] of cases) {
      const KEYMILL_RUN_DIR = writeCluster(name, text);
      const { exitCode, stderr } = await runKeymill(['status'], { KEYMILL_RUN_DIR });
      expect(exitCode).to.equal(2);
      expect(stderr).to.include(join(KEYMILL_RUN_DIR, 'cluster.json')).and.not.include('hidden');
    }
  });
});
