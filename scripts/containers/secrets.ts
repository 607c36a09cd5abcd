import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { storeVariables } from '../cluster/environment.ts';
import { DEFAULT_SHAPE, SMALL_SHAPE } from '../cluster/shape.ts';
import { REPOSITORY, writePrivateFile, type RunDir } from '../cluster/run-dir.ts';
import { addressesIn, type Passwords } from './addresses.ts';

/** The secrets of a cluster in containers. Its data depends on them, so they never change. */
export interface Secrets extends Passwords {
  readonly mysqlRootPassword: string;
  readonly keySecret: string;
  /** For the admin ports. */
  readonly adminToken: string;
  /** By which a front cache knows a refresh. */
  readonly frontCacheToken: string;
}

/** The file of each secret, and its variable in the `.env` of an older version, which had no files. */
const FILES: Readonly<Record<keyof Secrets, { readonly file: string; readonly older?: string }>> = {
  redisPassword: { file: 'redis-password', older: 'KEYMILL_REDIS_PASSWORD' },
  mysqlPassword: { file: 'mysql-password', older: 'KEYMILL_MYSQL_PASSWORD' },
  mysqlRootPassword: { file: 'mysql-root-password', older: 'KEYMILL_MYSQL_ROOT_PASSWORD' },
  keySecret: { file: 'key-secret', older: 'KEYMILL_KEY_SECRET' },
  adminToken: { file: 'admin-token', older: 'KEYMILL_ADMIN_TOKEN' },
  zookeeperAuth: { file: 'zookeeper-auth' },
  frontCacheToken: { file: 'front-cache-token' },
};

/** Where docker-compose.yml mounts the volume of images. */
const BLOBS_IN_VOLUME = 'file:/var/lib/keymill/blobs';

type EnvFile = Readonly<Record<string, string | undefined>>;

export interface Settings {
  /** The variables in compose's env file. */
  readonly env: EnvFile;
  readonly secrets: Secrets;
}

/**
 * Adds the missing variables to compose's env file, and the missing secrets to the folder from which
 * docker-compose.yml, docker-compose.small.yml and deploy/swarm.yml read them. Never changes an existing
 * variable or secret. It also writes the key secret to the run folder, where the operator's command reads it.
 */
export function ensureSettings(
  envFile: string,
  runDir: RunDir,
  defaults: Readonly<Record<string, string>>,
): Settings {
  const isUsualPlace = runDir.path === join(REPOSITORY, '.run');
  const env = ensureEnvFile(envFile, {
    ...(!isUsualPlace && { KEYMILL_SECRETS: runDir.secrets }),
    ...defaults,
  });
  const secrets = ensureSecrets(runDir, env);
  writePrivateFile(runDir.keySecretFile, `${secrets.keySecret}\n`);
  return { env, secrets };
}

function ensureEnvFile(path: string, defaults: Readonly<Record<string, string>>): EnvFile {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const found = parse(text);
  const missing = Object.entries(defaults).filter(([name]) => found[name] === undefined);
  if (missing.length > 0) {
    const added = missing.map(([name, value]) => `${name}=${value}\n`).join('');
    writePrivateFile(path, text === '' || text.endsWith('\n') ? text + added : `${text}\n${added}`);
  }
  return { ...found, ...Object.fromEntries(missing) };
}

function ensureSecrets(runDir: RunDir, env: EnvFile): Secrets {
  mkdirSync(runDir.secrets, { recursive: true, mode: 0o700 });
  const ensure = (name: keyof Secrets): string => {
    const { file, older } = FILES[name];
    const path = join(runDir.secrets, file);
    if (existsSync(path)) return readFileSync(path, 'utf8').trim();
    const random = randomBytes(24).toString('hex');
    const value = (older && env[older]) || (name === 'zookeeperAuth' ? `keymill:${random}` : random);
    writeSecret(path, value);
    return value;
  };
  const secrets: Secrets = {
    redisPassword: ensure('redisPassword'),
    mysqlPassword: ensure('mysqlPassword'),
    mysqlRootPassword: ensure('mysqlRootPassword'),
    keySecret: ensure('keySecret'),
    adminToken: ensure('adminToken'),
    zookeeperAuth: ensure('zookeeperAuth'),
    frontCacheToken: ensure('frontCacheToken'),
  };
  // Producers and mappers read whole addresses, which contain the passwords.
  const full = storeVariables(addressesIn(secrets, DEFAULT_SHAPE, (service) => service));
  for (const [variable, value] of Object.entries(full))
    writeSecret(join(runDir.secrets, fileOf(variable)), value);
  const small = storeVariables(addressesIn(secrets, SMALL_SHAPE, (service) => service));
  for (const [variable, value] of Object.entries(small))
    if (value !== '') writeSecret(join(runDir.secrets, `small-${fileOf(variable)}`), value);
  // Somebody may have put the address of an S3 server there.
  const blobs = join(runDir.secrets, 'blobs');
  if (!existsSync(blobs)) writeSecret(blobs, BLOBS_IN_VOLUME);
  return secrets;
}

/** `KEYMILL_KEYS_DBS` → `keys-dbs`. */
function fileOf(variable: string): string {
  return variable.replace('KEYMILL_', '').toLowerCase().replaceAll('_', '-');
}

/**
 * The processes in the containers are of several users, and each must be able to read its files. On this
 * machine only the owner may enter the folder.
 */
function writeSecret(path: string, value: string): void {
  const text = `${value}\n`;
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  writeFileSync(path, text, { mode: 0o644 });
}

function parse(text: string): EnvFile {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const match = /^\s*([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
      return match === null ? [] : [[match[1] ?? '', (match[2] ?? '').trim()]];
    }),
  );
}
