import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { readMapperConfig, readOperatorConfig } from '../../runtime/config/config.ts';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import { SMALL_MYSQL_ARGS } from '../../scripts/cluster/servers.ts';
import { SMALL_MALLOC, SMALL_NODE_FLAGS } from '../../scripts/cluster/small-node.ts';
import { ensureSettings } from '../../scripts/containers/secrets.ts';
import { testFolder } from '../servers.ts';

interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly networks: readonly string[];
  readonly secrets?: readonly string[];
  readonly command: readonly string[];
  readonly logging: object;
  readonly mem_limit?: string;
}

describe('docker-compose.small.yml', () => {
  const { services, secrets } = parse(readFileSync(join(REPOSITORY, 'docker-compose.small.yml'), 'utf8'), {
    merge: true,
  }) as { services: Record<string, Service>; secrets: Record<string, { file: string }> };

  /** The variables of a service, with the files of its secrets where they are on this machine. */
  function environmentOf(service: string): Record<string, string> {
    const runDir = new RunDir(join(testFolder(), `small-secrets-${service}`));
    mkdirSync(runDir.path, { recursive: true });
    ensureSettings(join(runDir.path, '.env'), runDir, {});
    return Object.fromEntries(
      Object.entries(services[service]?.environment ?? {}).map(([name, value]) => [
        name,
        value
          .replace(/^\$\{\w+:-(.*)\}$/, '$1')
          .replace('/run/secrets', runDir.secrets)
          .replace('{hostname}', 'a-container'),
      ]),
    );
  }

  it('has one of everything, and only the mapper faces the public', () => {
    const networks = Object.entries(services).map(([name, service]) => [name, service.networks]);
    expect(Object.fromEntries(networks)).to.deep.equal({
      'redis-1': ['stores'],
      'mysql-1': ['stores'],
      prepare: ['stores'],
      mapper: ['front', 'stores'],
    });
  });

  it('configures a mapper whose keys come by counter, without ZooKeeper', () => {
    const { stores, zookeeper, cache } = readMapperConfig(environmentOf('mapper'));
    expect(zookeeper).to.equal(undefined);
    expect(stores).to.deep.include({ keySource: 'counter', keysDbs: [] });
    expect(stores.redis.map(({ name }) => name)).to.deep.equal(['redis-1']);
    expect(stores.urlsDbs.map(({ slots }) => slots.length)).to.deep.equal([32]);
    expect(stores.usersDb?.url).to.match(/@mysql-1:3306\/users$/);
    expect(cache.maxBytes).to.equal(16 * 2 ** 20);
    expect(readOperatorConfig(environmentOf('prepare')).stores.urlsDbs).to.have.length(1);
  });

  it('puts no secret into an environment, each into a file, and bounds output and memory', () => {
    for (const [name, service] of Object.entries(services)) {
      const named = [...JSON.stringify(service).matchAll(/\/run\/secrets\/([a-z-]+)/g)];
      expect(new Set(named.map(([, secret]) => secret)), name).to.deep.equal(new Set(service.secrets));
      expect(JSON.stringify(service.environment ?? {}), name).not.to.match(/:\/\/[^/"]*:[^/"]*@/);
      expect(service.logging, name).to.deep.equal({
        driver: 'json-file',
        options: { 'max-size': '10m', 'max-file': '3' },
      });
      expect(service.mem_limit, name).to.match(/^\d+m$/);
    }
    for (const [name, { file }] of Object.entries(secrets)) expect(file).to.match(new RegExp(`/${name}$`));
  });

  it('starts Node as up --small does', () => {
    expect(services['mapper']?.command).to.deep.equal([...SMALL_NODE_FLAGS, 'mapper/main.ts']);
    expect(services['mapper']?.environment).to.include(SMALL_MALLOC);
  });

  it('starts MariaDB as up --small does', () => {
    const inBoth = SMALL_MYSQL_ARGS.filter((argument) => argument.startsWith('--innodb-'));
    expect(services['mysql-1']?.command).to.include.members(inBoth);
    expect(services['mysql-1']?.environment).to.include(SMALL_MALLOC);
  });
});
