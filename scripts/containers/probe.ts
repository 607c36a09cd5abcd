import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../runtime/errors.ts';
import { command, type Docker } from './docker.ts';

const NAME = 'keymill-probe';
const PROGRAM = '/bin/true';

/**
 * Runs one container in a network of its own. An engine may start on a machine that forbids the cgroups,
 * mounts or networks that a container needs.
 * @param dir a folder for temporary files
 * @returns one line: why the container does not run; undefined when it does
 */
export async function whyNothingRuns(docker: Docker, dir: string): Promise<string | undefined> {
  try {
    await importProgram(docker, { program: PROGRAM, image: NAME, dir });
    // A probe that was killed has left its network.
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

interface ProgramImage {
  /** Path of a program of this machine. */
  readonly program: string;
  /** Name of the image. */
  readonly image: string;
  /** A folder for temporary files. */
  readonly dir: string;
}

/** Makes an image of one program and the libraries that it is linked with. */
export async function importProgram(docker: Docker, { program, image, dir }: ProgramImage): Promise<void> {
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
