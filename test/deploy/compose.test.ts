import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { Networks } from '../../mapper/limits/client-address.ts';
import { readOperatorConfig } from '../../runtime/config/config.ts';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import { ensureSettings } from '../../scripts/containers/secrets.ts';
import { testFolder } from '../servers.ts';

interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly networks: readonly string[];
  readonly secrets?: readonly string[];
  readonly logging: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const OURS = new Set(['mapper', 'producer']);
const FACING = new Set(['haproxy', 'front-cache']);

for (const file of ['docker-compose.yml', 'deploy/swarm.yml']) {
  describe(file, () => {
    const text = readFileSync(join(REPOSITORY, file), 'utf8');
    const { services, secrets } = parse(text, { merge: true }) as ComposeFile;

    it('lets what faces the public reach our programs, and none of the stores', () => {
      for (const [name, { networks }] of Object.entries(services)) {
        const expected = FACING.has(name) ? ['front'] : OURS.has(name) ? ['front', 'stores'] : ['stores'];
        expect(networks, name).to.deep.equal(expected);
      }
    });

    it('lets mappers know their clients: haproxy says who they are, and is trusted', () => {
      const proxies = services['mapper']?.environment?.['KEYMILL_TRUSTED_PROXIES'] ?? '';
      const networks = new Networks(proxies.replace(/^\$\{\w+:-|\}$/g, '').split(','));
      // The usual networks of an engine, of a second compose file, and of a swarm.
      for (const address of ['172.18.0.5', '192.168.48.3', '10.0.1.7'])
        expect(networks.has(address), address).to.equal(true);
      expect(networks.has('198.51.100.1')).to.equal(false);
      const haproxy = readFileSync(join(REPOSITORY, 'deploy/haproxy/haproxy.cfg'), 'utf8');
      expect(haproxy).to.match(/http-request del-header X-Forwarded-For if !from-proxy\n/);
      expect(haproxy).to.match(/http-request set-header X-Forwarded-For %\[src\] if !says-client\n/);
    });

    it('puts no secret into an environment, and each into a file', () => {
      for (const [name, { environment = {}, secrets: used = [] }] of Object.entries(services)) {
        for (const [variable, value] of Object.entries(environment)) {
          expect(value, `${name} ${variable}`).not.to.match(/:\/\/[^/]*:[^/]*@/);
          if (/PASSWORD|SECRET|AUTH|TOKEN|_DBS?$|REDIS$/.test(variable.replace(/_FILE$/, '')))
            expect(value, `${name} ${variable}`).to.match(/^\/run\/secrets\//);
        }
        const named = [...JSON.stringify(services[name]).matchAll(/\/run\/secrets\/([a-z-]+)/g)];
        expect(new Set(named.map(([, secret]) => secret)), name).to.deep.equal(new Set(used));
      }
      const [folder] = Object.values(secrets).map((secret) => secret.file.replace(/\/[^/]+$/, ''));
      for (const [name, secret] of Object.entries(secrets)) expect(secret.file).to.equal(`${folder}/${name}`);
    });

    it('bounds the output of every container', () => {
      for (const [name, { logging }] of Object.entries(services))
        expect(logging, name).to.deep.equal({
          driver: 'json-file',
          options: { 'max-size': '10m', 'max-file': '3' },
        });
    });
  });
}

describe('the secrets of a cluster in containers', () => {
  const { secrets, services } = parse(readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as ComposeFile;

  function folder(name: string): { runDir: RunDir; envFile: string } {
    const runDir = new RunDir(join(testFolder(), name));
    mkdirSync(runDir.path, { recursive: true });
    return { runDir, envFile: join(runDir.path, '.env') };
  }

  it('are the files that docker-compose.yml names, in a folder that only its owner may enter', () => {
    const { runDir, envFile } = folder('secrets');
    const first = ensureSettings(envFile, runDir, { KEYMILL_PUBLIC_URL: 'http://a.example' });
    const ofSmall = ['small-redis', 'small-urls-dbs', 'small-users-db'];
    expect(readdirSync(runDir.secrets)).to.have.members([...Object.keys(secrets), ...ofSmall]);
    expect(statSync(runDir.secrets).mode & 0o777).to.equal(0o700);
    for (const value of Object.values(first.secrets))
      expect(readFileSync(envFile, 'utf8')).not.to.include(value);
    const again = ensureSettings(envFile, runDir, { KEYMILL_PUBLIC_URL: 'http://b.example' });
    expect(again).to.deep.equal(first);

    // The configuration of our programs, with the files where they are now.
    const environment = Object.fromEntries(
      Object.entries(services['producer']?.environment ?? {})
        .filter(([name]) => /ZOOKEEPER|_FILE$/.test(name))
        .map(([name, value]) => [name, value.replace('/run/secrets', runDir.secrets)]),
    );
    const { zookeeper, stores } = readOperatorConfig(environment);
    expect(zookeeper?.auth).to.equal(first.secrets.zookeeperAuth);
    expect(stores.redis.map(({ name }) => name)).to.have.length(4);
    expect(stores.keysDbs).to.have.length(4);
    expect(stores.urlsDbs.map(({ name }) => name)).to.deep.equal(['urls-1', 'urls-2']);
  });

  it('are those that the .env of an older version has', () => {
    const { runDir, envFile } = folder('older');
    const older = {
      KEYMILL_REDIS_PASSWORD: 'old-redis',
      KEYMILL_MYSQL_PASSWORD: 'old-mysql',
      KEYMILL_MYSQL_ROOT_PASSWORD: 'old-root',
      KEYMILL_KEY_SECRET: 'an-old-secret-of-keys',
    };
    const lines = Object.entries(older).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(envFile, lines.join(''));
    expect(ensureSettings(envFile, runDir, {}).secrets).to.include({
      redisPassword: 'old-redis',
      mysqlPassword: 'old-mysql',
      mysqlRootPassword: 'old-root',
      keySecret: 'an-old-secret-of-keys',
    });
    expect(existsSync(envFile)).to.equal(true);
    expect(readFileSync(join(runDir.secrets, 'redis'), 'utf8')).to.include(
      'redis://default:old-redis@redis-1:6379',
    );
  });
});
