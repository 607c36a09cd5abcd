import { Resolver } from 'node:dns';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readMapperConfig, readOperatorConfig, readProducerConfig } from '../../runtime/config/config.ts';
import { ConfigError } from '../../runtime/config/env.ts';
import { formatSlots, parseSlots } from '../../runtime/config/slots.ts';
import { findCounterRegion } from '../../runtime/config/stores.ts';

const RIGHT = {
  KEYMILL_ID: 'producer-1',
  KEYMILL_ZOOKEEPER: '127.0.0.1:2181,127.0.0.1:2182/keymill',
  KEYMILL_REDIS: 'redis-1=redis://127.0.0.1:6379,redis-2=redis://127.0.0.1:6380',
  KEYMILL_KEYS_DBS: 'keys-db-1=mysql://k:p@127.0.0.1/keys_1,keys-db-2=mysql://k:p@127.0.0.1/keys_2',
  KEYMILL_URLS_DBS: 'urls-1:0-7+16-31=mysql://k:p@127.0.0.1/urls_1,urls-2:8-15=mysql://k:p@127.0.0.1/urls_2',
  KEYMILL_USERS_DB: 'mysql://k:p@127.0.0.1/users',
  KEYMILL_KEY_SECRET: 'sixteen characters or more',
};

function faultsOf(
  change: Record<string, string | undefined>,
  read: (env: Record<string, string | undefined>) => unknown = readProducerConfig,
): string[] {
  try {
    read({ ...RIGHT, ...change });
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ variable }) => variable);
    throw error;
  }
  return [];
}

describe('configuration', () => {
  it('reads a valid environment', () => {
    const config = readProducerConfig(RIGHT);
    expect(config.id).to.equal('producer-1');
    expect(readProducerConfig({ ...RIGHT, KEYMILL_ID: 'p-{hostname}' }).id).to.equal(`p-${hostname()}`);
    expect(config.capacity).to.equal(2);
    expect(config.stores.keysDbs.map(({ name, region }) => [name, region])).to.deep.equal([
      ['keys-db-1', 0],
      ['keys-db-2', 1],
    ]);
    expect(config.stores.urlsDbs.map(({ slots }) => slots.length)).to.deep.equal([24, 8]);
    expect(config.stores.keys).to.deep.include({ length: 8, regionBits: 10 });
  });

  it('names all faults together, each with variable, value and expectation', () => {
    const wrong = {
      KEYMILL_KEY_LENGTH: '12',
      KEYMILL_PRODUCER_CAPACITY: 'two',
      KEYMILL_REDIS: 'localhost',
      KEYMILL_ZOOKEEPER: undefined,
    };
    expect(faultsOf(wrong)).to.have.members([
      'KEYMILL_KEY_LENGTH',
      'KEYMILL_PRODUCER_CAPACITY',
      'KEYMILL_REDIS',
      'KEYMILL_ZOOKEEPER',
    ]);
    expect(() => readProducerConfig({ ...RIGHT, ...wrong }))
      .to.throw(ConfigError)
      .with.property('message')
      .that.contains('KEYMILL_KEY_LENGTH=12: expected a whole number from 6 to 10');
  });

  const refused: [string, Record<string, string | undefined>, string][] = [
    [
      'a low watermark above the high one',
      { KEYMILL_POOL_LOW: '9000', KEYMILL_POOL_HIGH: '8000' },
      'KEYMILL_POOL_LOW',
    ],
    ['a slot map with a hole', { KEYMILL_URLS_DBS: 'urls-1:0-30=mysql://k:p@h/u' }, 'KEYMILL_URLS_DBS'],
    [
      'a slot map with an overlap',
      { KEYMILL_URLS_DBS: 'a:0-31=mysql://k:p@h/a,b:31=mysql://k:p@h/b' },
      'KEYMILL_URLS_DBS',
    ],
    ['a slot beyond the last', { KEYMILL_URLS_DBS: 'a:0-32=mysql://k:p@h/a' }, 'KEYMILL_URLS_DBS'],
    ['a short secret', { KEYMILL_KEY_SECRET: 'short' }, 'KEYMILL_KEY_SECRET'],
    [
      'two names for one keys-db',
      { KEYMILL_KEYS_DBS: 'keys-db-1=mysql://k:p@h/a,keys-db-2=mysql://k:p@h/a' },
      'KEYMILL_KEYS_DBS',
    ],
    [
      'a keys-db number beyond the regions',
      { KEYMILL_KEYS_DBS: 'keys-db-2000=mysql://k:p@h/a' },
      'KEYMILL_KEYS_DBS',
    ],
    ['a keys-db of another name', { KEYMILL_KEYS_DBS: 'shard-1=mysql://k:p@h/a' }, 'KEYMILL_KEYS_DBS'],
    ['a negative number', { KEYMILL_QUARANTINE_MS: '-1' }, 'KEYMILL_QUARANTINE_MS'],
    [
      'a file that does not exist',
      { KEYMILL_KEY_SECRET: undefined, KEYMILL_KEY_SECRET_FILE: '/nonexistent' },
      'KEYMILL_KEY_SECRET_FILE',
    ],
    ['an id that is not a znode name', { KEYMILL_ID: 'a/b' }, 'KEYMILL_ID'],
  ];
  for (const [what, change, variable] of refused) {
    it(`refuses ${what}`, () => {
      expect(faultsOf(change)).to.include(variable);
    });
  }

  it('lets a keys-db have the last region, unless it belongs to the counter', () => {
    const change = {
      KEYMILL_KEY_LENGTH: '6',
      KEYMILL_KEYS_DBS: 'keys-db-1=mysql://k:p@h/a,keys-db-16=mysql://k:p@h/p',
    };
    const counter = { ...change, KEYMILL_KEY_SOURCE: 'counter' };
    for (const read of [readProducerConfig, readMapperConfig, readOperatorConfig]) {
      expect(faultsOf(change, read)).to.deep.equal([]);
      expect(faultsOf(counter, read)).to.deep.equal(['KEYMILL_KEYS_DBS']);
    }
    expect(findCounterRegion(readMapperConfig({ ...RIGHT, ...change }).stores)).to.equal(undefined);
    const { KEYMILL_KEYS_DBS: _, ...others } = change;
    expect(findCounterRegion(readMapperConfig({ ...RIGHT, ...others }).stores)).to.equal(15);
  });

  it('refuses a host that no URL can contain, unless short URLs begin with another address', () => {
    const KEYMILL_HTTP_HOST = '::1%lo';
    expect(faultsOf({ KEYMILL_HTTP_HOST }, readMapperConfig)).to.deep.equal(['KEYMILL_HTTP_HOST']);
    const KEYMILL_PUBLIC_URL = 'https://go.example';
    expect(faultsOf({ KEYMILL_HTTP_HOST, KEYMILL_PUBLIC_URL }, readMapperConfig)).to.deep.equal([]);
    expect(faultsOf({ KEYMILL_HTTP_HOST: '::' }, readMapperConfig)).to.deep.equal([]);
  });

  it('reads read replicas, several of one server under its name', () => {
    expect(readMapperConfig(RIGHT).urlsReplicas).to.deep.equal([]);
    const urls = ['mysql://k:p@replica-1/urls_1', 'mysql://k:p@replica-2:3307/urls_1'];
    const value = urls.map((url) => `urls-1=${url}`).join(', ');
    expect(readMapperConfig({ ...RIGHT, KEYMILL_URLS_REPLICAS: value }).urlsReplicas).to.deep.equal(
      urls.map((url) => ({ server: 'urls-1', url })),
    );
  });

  for (const [what, value, named] of [
    ['without a name', 'mysql://k:p@h/u', 'urls-1=mysql://'],
    ['of an unknown server', 'urls-3=mysql://k:p@h/u', 'urls-3'],
    ['that is a primary', 'urls-1=mysql://other:secret@127.0.0.1:3306/urls_2', '127.0.0.1:3306/urls_2'],
    ['given twice', 'urls-1=mysql://k:p@h/u,urls-2=mysql://other:p@H:3306/u', 'every address once'],
    ['that is not MySQL', 'urls-1=redis://h/u', 'mysql://user'],
  ] as const) {
    it(`refuses a read replica ${what}`, () => {
      expect(() => readMapperConfig({ ...RIGHT, KEYMILL_URLS_REPLICAS: value }))
        .to.throw(ConfigError, 'KEYMILL_URLS_REPLICAS')
        .with.property('message')
        .that.contains(named)
        .and.does.not.contain('secret@');
    });
  }

  for (const [variable, value] of [
    ['KEYMILL_PUBLIC_URL', 'https://user:s3cret@go.example'],
    ['KEYMILL_PUBLIC_URL', 'https://:s3cret@go.example'],
    ['KEYMILL_PUBLIC_URL', 'https://user:s3 /cret@go.example'],
    ['KEYMILL_PUBLIC_URL', 'https://go.example/?token=s3cret'],
    ['KEYMILL_PUBLIC_URL', 'https://go.example/#s3cret'],
    ['KEYMILL_ZOOKEEPER', 'user:s3cret@127.0.0.1:2181'],
    ['KEYMILL_ZOOKEEPER', 's3cret@127.0.0.1:2181'],
    ['KEYMILL_ZOOKEEPER', 'zk://user:s3cret@127.0.0.1:2181/keymill'],
    ['KEYMILL_HTTP_HOST', 'user:s3cret@host'],
    ['KEYMILL_ADMIN_NAMES', 'user:s3cret@host'],
    ['KEYMILL_ADMIN_TOKEN', 's3cret'],
    ['KEYMILL_URLS_REPLICAS', 'urls-1=mysql://k:s3cret@h:port/u,urls-1=mysql://k:s3cret@h:port/u'],
    ['KEYMILL_USERS_DB', 'http://k:s3cret@h/users'],
    ['KEYMILL_USERS_DB_FILE', 'mysql://k:s3cret@h/users'],
  ] as const) {
    it(`refuses ${variable}=${value.replace('s3', '…')} and does not repeat the password`, () => {
      const env = {
        ...RIGHT,
        ...(variable.endsWith('_FILE') && { KEYMILL_USERS_DB: undefined }),
        [variable]: value,
      };
      expect(() => readMapperConfig(env))
        .to.throw(ConfigError, variable)
        .with.property('message')
        .that.does.not.contain('cret');
    });
  }

  it('reads the admin port: its names, and a token that only its file has', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymill-config-'));
    try {
      const file = join(folder, 'token');
      writeFileSync(file, 'a-token-from-a-file\n');
      const env = {
        ...RIGHT,
        KEYMILL_ADMIN_TOKEN_FILE: file,
        KEYMILL_ADMIN_NAMES: 'node-7, node-8.internal',
      };
      expect(readMapperConfig(env).admin).to.include({ token: 'a-token-from-a-file' });
      expect(readMapperConfig(env).admin.names).to.deep.equal(['node-7', 'node-8.internal']);
      expect(readMapperConfig(RIGHT).admin).to.include({ token: undefined });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a public URL with a path, or with a host or port that no server can have', () => {
    for (const KEYMILL_PUBLIC_URL of [
      'https://go.example/x',
      'http://http',
      'https://https://go.example',
      'http://go.example:0',
      'http://go..example',
    ])
      expect(faultsOf({ KEYMILL_PUBLIC_URL }, readMapperConfig), KEYMILL_PUBLIC_URL).to.deep.equal([
        'KEYMILL_PUBLIC_URL',
      ]);
  });

  it('reads how webhooks are told of events', () => {
    const { webhooks } = readMapperConfig({
      ...RIGHT,
      KEYMILL_WEBHOOK_RETRY_MS: '3600000',
      KEYMILL_WEBHOOK_NAME_SERVERS: '192.0.2.53,192.0.2.54:5353,[2001:db8::53]:53,2001:db8::53,[::1]',
    });
    const nameServers = ['192.0.2.53', '192.0.2.54:5353', '[2001:db8::53]:53', '2001:db8::53', '[::1]'];
    expect(webhooks).to.deep.equal({ retryMs: 3_600_000, nameServers });
    expect(() => new Resolver().setServers(nameServers)).not.to.throw();
    expect(readMapperConfig(RIGHT).webhooks).to.deep.equal({ retryMs: 86_400_000, nameServers: [] });
    for (const [variable, values] of Object.entries({
      KEYMILL_WEBHOOK_RETRY_MS: ['0', '999', '604800001', 'a day'],
      KEYMILL_WEBHOOK_NAME_SERVERS: [
        'dns.example',
        '192.0.2.53:0',
        '192.0.2.53:65536',
        '[192.0.2.53]',
        '1.2.3',
      ],
    }))
      for (const value of values)
        expect(faultsOf({ [variable]: value }, readMapperConfig), value).to.deep.equal([variable]);
  });

  it('reads the limits of clients, who says for whom a proxy asks, and whose pages may use the API', () => {
    const { limits, corsOrigins } = readMapperConfig({
      ...RIGHT,
      KEYMILL_TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::/32,192.0.2.1',
      KEYMILL_LIMIT_NOT_FOUND: '0',
      KEYMILL_LIMITS_REDIS: 'redis://127.0.0.1:6379/2',
      KEYMILL_CORS_ORIGINS: 'https://app.example,http://localhost:3000',
    });
    expect(limits).to.deep.equal({
      perMinute: {
        anonymous: 30,
        key: 1_000,
        session: 1_000,
        'sign-in': 10,
        'bad-credential': 60,
        'not-found': 0,
      },
      loopback: false,
      trustedProxies: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'],
      redis: { name: 'limits', url: 'redis://127.0.0.1:6379/2' },
    });
    expect(corsOrigins).to.deep.equal(['https://app.example', 'http://localhost:3000']);
    for (const [variable, values] of Object.entries({
      KEYMILL_TRUSTED_PROXIES: [
        'proxy',
        '10.0.0.0/33',
        '::/129',
        '10.0.0.0/8/8',
        '10.0.0.0/',
        'http://10.0.0.1',
      ],
      KEYMILL_LIMIT_ANONYMOUS: ['-1', 'many', '1000000001'],
      KEYMILL_LIMITS_REDIS: ['127.0.0.1:6379', 'limits=redis://127.0.0.1'],
      KEYMILL_CORS_ORIGINS: [
        'app.example',
        'https://app.example/',
        'https://App.example',
        'https://a:443',
        'null',
      ],
    }))
      for (const value of values)
        expect(faultsOf({ [variable]: value }, readMapperConfig), value).to.deep.equal([variable]);
  });

  it('reads secrets from files and never repeats their value', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymill-config-'));
    try {
      const file = join(folder, 'secret');
      writeFileSync(file, 'a secret from a file\n');
      const { KEYMILL_KEY_SECRET: _, ...others } = RIGHT;
      expect(readProducerConfig({ ...others, KEYMILL_KEY_SECRET_FILE: file }).stores.keys.secret).to.equal(
        'a secret from a file',
      );
      expect(() => readProducerConfig({ ...RIGHT, KEYMILL_KEY_SECRET: 'tooshortsecret' }))
        .to.throw(ConfigError)
        .with.property('message')
        .that.does.not.contain('tooshort');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('slot ranges', () => {
  it('are read and written in their shortest form', () => {
    expect(formatSlots(parseSlots('0-3+5+30-31') ?? [])).to.equal('0-3+5+30-31');
    expect(parseSlots('3-1')).to.equal(undefined);
    expect(parseSlots('')).to.equal(undefined);
  });
});
