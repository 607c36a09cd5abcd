import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { RefusedError } from '../../runtime/terminal/errors.ts';
import { FolderIdentity, isCopy, writePrivateFile, type RunDir } from './run-dir.ts';

/*
 * The settings of a service are in a file that only systemd can read (`keymill service`). Whoever starts
 * parts of the same cluster from a shell needs them too: a mapper without them has other short links, and
 * lets everybody sign up.
 */

/** `scripts/service` sets it for the `up` that it runs. */
const MARK = 'KEYMILL_SERVICE';

/** Variables of the launchers, and those that are no settings of a process. */
const NOT_SETTINGS = [
  MARK,
  ...['ROOT', 'NODE', 'NOHUP', 'API_KEY', 'API_KEY_FILE'].map((name) => `KEYMILL_${name}`),
];

const Kept = z.object({ folder: FolderIdentity, variables: z.record(z.string(), z.string()) });

type Env = Record<string, string | undefined>;

/** The settings in an environment. A relative folder would be another one for the service. */
export function settingsIn(env: Readonly<Env>): Record<string, string> {
  const found = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      /^KEYMILL_[A-Z0-9_]+$/.test(entry[0]) && entry[1] !== undefined && !NOT_SETTINGS.includes(entry[0]),
  );
  return Object.fromEntries(
    found.map(([name, value]) => [name, name === 'KEYMILL_RUN_DIR' ? resolve(value) : value]),
  );
}

/**
 * In the `up` of a service, keeps its settings in the run folder. In other commands, puts what the service
 * was last started with beneath the settings of the caller.
 * @param env changed in place; child processes get it
 * @throws RefusedError when the file cannot be read
 */
export function shareServiceSettings(runDir: RunDir, env: Env = process.env): void {
  const isService = env[MARK] !== undefined;
  delete env[MARK];
  if (isService) {
    const { KEYMILL_RUN_DIR: _, ...variables } = settingsIn(env);
    runDir.make();
    const kept = { folder: runDir.identity, variables };
    writePrivateFile(runDir.serviceFile, `${JSON.stringify(kept, null, 2)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(findKept(runDir))) {
    // The configuration refuses a variable that is set together with its …_FILE form.
    const other = name.endsWith('_FILE') ? name.slice(0, -5) : `${name}_FILE`;
    if (env[name] === undefined && env[other] === undefined) env[name] = value;
  }
}

/**
 * The cluster of a service runs as one user. What another one starts or writes there, this user can neither
 * read nor stop.
 * @param command what was typed, such as `./scripts/up`
 * @throws RefusedError that says how to run it as that user
 */
export function refuseOtherUser(runDir: RunDir, command: string): void {
  if (!existsSync(runDir.serviceFile) || !existsSync(runDir.stateFile)) return;
  const { uid } = statSync(runDir.stateFile);
  if (uid === process.getuid?.()) return;
  throw new RefusedError(
    `the cluster in ${runDir.path} is that of a service and runs as user ${uid}. Run this as that user:\n` +
      `  sudo -u '#${uid}' ${command}`,
  );
}

/** When the service is removed, its settings are no longer those of the cluster. */
export function forgetServiceSettings(runDir: RunDir): void {
  rmSync(runDir.serviceFile, { force: true });
}

function findKept(runDir: RunDir): Record<string, string> {
  const { serviceFile } = runDir;
  if (!existsSync(serviceFile)) return {};
  try {
    const { folder, variables } = parseJsonAs(Kept, readFileSync(serviceFile, 'utf8'));
    return isCopy(folder, runDir.identity) ? {} : variables;
  } catch (error) {
    throw new RefusedError(
      `${serviceFile} cannot be read: ${messageOf(error)}\nThe next start of the service writes it again.`,
      error,
    );
  }
}
