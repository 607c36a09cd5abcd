import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { messageOf } from '../../../runtime/errors.ts';
import { RefusedError } from '../../../runtime/terminal/errors.ts';

const run = promisify(execFile);

/** A usual call takes some ms; a busy machine that reads all units again, a few seconds. */
const CALL_MS = 30_000;

/** What systemd knows of a service. */
export interface UnitState {
  /** Such as `enabled`, `disabled`; empty when there is no such unit. */
  readonly enabled: string;
  /** Such as `active`, `activating`, `failed`. */
  readonly active: string;
  /** The last word of the service about itself. */
  readonly status: string;
  /** Since when it is as it is; empty when it has never run. */
  readonly since: string;
  /** How often systemd has started it again. */
  readonly restarts: number;
}

/** Whether systemd manages this machine, and not only its packages are installed. */
export function runsSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

/** @throws RefusedError that says what to do instead */
export function requireSystemd(): void {
  if (runsSystemd()) return;
  throw new RefusedError(
    'systemd does not manage this machine, so it cannot start a service.\n' +
      'Let your own init run ./scripts/up --detach at boot, and ./scripts/down before the end; in a container,\n' +
      'use ./scripts/up --containers. For the image of another machine: --root DIR.',
  );
}

/** Runs `systemctl`. @throws RefusedError with its message */
export async function systemctl(args: readonly string[], timeoutMs = CALL_MS): Promise<string> {
  try {
    const { stdout } = await run('systemctl', ['--no-ask-password', ...args], { timeout: timeoutMs });
    return stdout;
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    const command = ['systemctl', ...args].join(' ');
    throw new RefusedError(`${command} has failed: ${stderr === '' ? messageOf(error) : stderr}`, error);
  }
}

/** @throws RefusedError when systemd does not answer */
export async function readUnitState(unit: string): Promise<UnitState> {
  const names = ['UnitFileState', 'ActiveState', 'StatusText', 'StateChangeTimestamp', 'NRestarts'];
  const shown = await systemctl(['show', unit, `--property=${names.join(',')}`]);
  const found = new Map(
    shown.split('\n').map((line): [string, string] => {
      const [name = ''] = line.split('=', 1);
      return [name, line.slice(name.length + 1)];
    }),
  );
  return {
    enabled: found.get('UnitFileState') ?? '',
    active: found.get('ActiveState') ?? '',
    status: found.get('StatusText') ?? '',
    since: found.get('StateChangeTimestamp') ?? '',
    restarts: Number(found.get('NRestarts') ?? 0),
  };
}
