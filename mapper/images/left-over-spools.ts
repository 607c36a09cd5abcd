import { readlinkSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** After this nobody works with a file of a spool any more, whoever has made it. */
const OUTDATED_MS = 3_600_000;

/**
 * `<where>.<process id>.<when it began>.<random>`: the folder of a process. The id means something there
 * only, and a later process may have the same one.
 */
const FOLDER = /^(?<where>.+)\.(?<pid>\d+)\.(?<begun>\d+)\.[0-9a-f]{16}$/;
const BEGUN = String(Math.round(performance.timeOrigin));
const HERE = `${hostname()}.${idsOfProcesses()}`;

/** A folder for the uploads of this process. @param id 16 hex digits, random */
export function folderName(id: string): string {
  return `${HERE}.${process.pid}.${BEGUN}.${id}`;
}

/** Containers may share a host name, and have ids of processes of their own. */
function idsOfProcesses(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');
  } catch {
    return '0';
  }
}

/**
 * Removes the folders of processes that have ended, and those in which nothing has happened for too long.
 * @throws the error of the file system
 */
export async function removeLeftOvers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const { where, pid, begun } = FOLDER.exec(name)?.groups ?? {};
    if (where === undefined) continue;
    const folder = join(parent, name);
    const hasEnded = where === HERE && !isRunning(Number(pid), begun);
    if (hasEnded || (await isOutdated(folder))) await rm(folder, { recursive: true, force: true });
  }
}

function isRunning(pid: number, begun: string | undefined): boolean {
  if (pid === process.pid) return begun === BEGUN;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The time of a folder changes with each file that is made in it. A file may take longer to be written. */
async function isOutdated(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  for (const path of [folder, ...names.map((name) => join(folder, name))]) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs >= Date.now() - OUTDATED_MS) return false;
  }
  return true;
}
