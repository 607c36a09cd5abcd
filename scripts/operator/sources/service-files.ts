import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { codeOf, messageOf } from '../../../runtime/errors.ts';
import { RefusedError } from '../../../runtime/terminal/errors.ts';

/** Where the files of one service are. */
export interface ServiceFiles {
  readonly unit: string;
  /** It starts the service at boot. */
  readonly link: string;
  /** The variables of the service. */
  readonly settings: string;
}

/** @param root the folder that is `/` on the machine with the service */
export function serviceFiles(root: string, name: string): ServiceFiles {
  const units = join(root, 'etc/systemd/system');
  return {
    unit: join(units, `${name}.service`),
    link: join(units, 'multi-user.target.wants', `${name}.service`),
    settings: join(root, 'etc/default', name),
  };
}

/** A path of this machine as the machine below `root` sees it. */
export function seenFrom(root: string, path: string): string {
  const inside = relative(resolve(root), resolve(path));
  return inside === '..' || inside.startsWith('../') ? resolve(path) : join('/', inside);
}

/** The owner of a file. The names are numbers where there are none. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
}

/** The owner of a file, by name where `etc/passwd` and `etc/group` of `root` have one. */
export function ownerOf(root: string, path: string): Owner {
  const { uid, gid } = statSync(path);
  return { uid, gid, user: nameOf(root, 'passwd', uid), group: nameOf(root, 'group', gid) };
}

function nameOf(root: string, file: string, id: number): string {
  const lines = (findText(join(root, 'etc', file)) ?? '').split('\n').map((line) => line.split(':'));
  return lines.find(([, , number]) => number === String(id))?.[0] ?? String(id);
}

/** Gives what belongs to root, the folder or anything in it, to another. Links are not followed. */
export function giveToOwner(path: string, { uid, gid }: Pick<Owner, 'uid' | 'gid'>): void {
  if (existsSync(path)) execFileSync('chown', ['-R', '--from=0', '--', `${uid}:${gid}`, path]);
}

/** The text of a file; undefined when there is none. @throws RefusedError when it cannot be read */
export function findText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new RefusedError(`${path} cannot be read: ${messageOf(error)}`, error);
  }
}

/** Writes a file, with its folders. @returns whether it has changed. @throws RefusedError */
export function writeText(path: string, text: string, mode: number): boolean {
  if (findText(path) === text) return false;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
    // The mode above counts only for a new file.
    chmodSync(path, mode);
    return true;
  } catch (error) {
    throw new RefusedError(`${path} cannot be written: ${messageOf(error)}`, error);
  }
}

/** Lets the unit start at boot, as `systemctl enable` does. */
export function linkUnit({ unit, link }: ServiceFiles): void {
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join('/etc/systemd/system', relative(dirname(unit), unit)), link);
}

export function removeFile(path: string): boolean {
  const isThere = existsSync(path) || statSync(path, { throwIfNoEntry: false }) !== undefined;
  rmSync(path, { force: true });
  return isThere;
}
