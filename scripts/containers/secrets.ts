import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writePrivateFile, type RunDir } from '../cluster/run-dir.ts';

const SECRETS = [
  'KEYMILL_REDIS_PASSWORD',
  'KEYMILL_MYSQL_PASSWORD',
  'KEYMILL_MYSQL_ROOT_PASSWORD',
  'KEYMILL_KEY_SECRET',
  'KEYMILL_ADMIN_TOKEN',
] as const;

export type EnvFile = Readonly<Record<string, string | undefined>> &
  Readonly<Record<(typeof SECRETS)[number], string>>;

/**
 * Adds the missing variables to compose's env file (random secrets, and `defaults`) and returns all
 * variables. It never changes an existing variable, because the data in the volumes depends on it. It also
 * writes the key secret to the run folder, where the operator's command reads it.
 */
export function ensureEnvFile(
  path: string,
  runDir: RunDir,
  defaults: Readonly<Record<string, string>>,
): EnvFile {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const found = parse(text);
  const missing = Object.entries({
    ...Object.fromEntries(SECRETS.map((name) => [name, randomBytes(24).toString('hex')])),
    ...defaults,
  }).filter(([name]) => found[name] === undefined);
  if (missing.length > 0) {
    const added = missing.map(([name, value]) => `${name}=${value}\n`).join('');
    writePrivateFile(path, text === '' || text.endsWith('\n') ? text + added : `${text}\n${added}`);
  }
  const all = { ...found, ...Object.fromEntries(missing) } as EnvFile;
  writePrivateFile(runDir.keySecretFile, `${all.KEYMILL_KEY_SECRET}\n`);
  return all;
}

function parse(text: string): Record<string, string | undefined> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const match = /^\s*([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
      return match === null ? [] : [[match[1] ?? '', (match[2] ?? '').trim()]];
    }),
  );
}
