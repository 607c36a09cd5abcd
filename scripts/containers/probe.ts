import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../runtime/errors.ts';
import { command, type Docker } from './docker.ts';

const NAME = 'keymill-probe';
const PROGRAM = '/bin/true';

/**
 * An engine may start where the machine lets no container run (cgroups, mounts or networks are forbidden): one container in a network of
 * its own tells.
 * @param dir a folder to work in
 * @returns the reason in one line; undefined when it runs
 */
export async function whyNothingRuns(docker: Docker, dir: string): Promise<string | undefined> {
  try {
    await importProgram(docker, dir, PROGRAM, NAME);
    // One that was killed in the middle has left it.
    await docker.try(['network', 'rm', NAME]);
    await docker.run(['network', 'create', NAME]);
    await docker.run(['run', '--rm', `--network=${NAME}`, NAME, PROGRAM]);
    return undefined;
  } catch (error) {
    return `it runs no container: ${messageOf(error).replaceAll(/\s*\n\s*/g, ' ')}`;
  } finally {
    await docker.try(['network', 'rm', NAME]);
    await docker.try(['image', 'rm', '--force', NAME]);
  }
}

/** Makes an image of one program of this machine and the libraries that it is linked with. */
export async function importProgram(
  docker: Docker,
  dir: string,
  program: string,
  image: string,
): Promise<void> {
  const libraries = (await command('ldd', [program])).match(/\/\S+/g) ?? [];
  const archive = join(dir, `${image}.tar`);
  const files = [program, ...libraries].map((path) => path.slice(1));
  try {
    await command('tar', [
      '--create',
      '--dereference',
      `--file=${archive}`,
      '--directory=/',
      '--',
      ...new Set(files),
    ]);
    await docker.run(['import', archive, image]);
  } finally {
    await rm(archive, { force: true });
  }
}
