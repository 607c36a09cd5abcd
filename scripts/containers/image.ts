import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { REPOSITORY } from '../cluster/run-dir.ts';
import { command, type Docker } from './docker.ts';

export const IMAGE_LABEL = 'keymill.image';
const BUILD_TIMEOUT_MS = 900_000;
const MODULES_TIMEOUT_MS = 300_000;

/** Name and tag of our own image, from `docker-compose.yml`. */
export function ownImage(): string {
  const text = readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  return /\$\{KEYMILL_IMAGE:-([^}]+)\}/.exec(text)?.[1] ?? 'keymill';
}

/**
 * Builds our image from the sources of this repository. It is quick when nothing has changed. The image gets
 * the modules that are installed here. When the engine runs on another platform, the build downloads them
 * from npm's registry over the host's network.
 */
export async function buildImage(docker: Docker, signal?: AbortSignal): Promise<void> {
  const modules = join(REPOSITORY, '.run', 'modules.tar');
  try {
    if (await isOurPlatform(docker)) await packModules(modules);
    await docker.build(['--network=host', `--label=${IMAGE_LABEL}=1`, `--tag=${ownImage()}`, REPOSITORY], {
      timeoutMs: BUILD_TIMEOUT_MS,
      ...(signal && { signal }),
    });
  } finally {
    // Otherwise a later `docker build` would use these modules with a newer lock file.
    rmSync(modules, { force: true });
  }
}

async function isOurPlatform(docker: Docker): Promise<boolean> {
  const theirs = (await docker.run(['version', '--format', '{{.Server.Os}} {{.Server.Arch}}'])).trim();
  const ours = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch;
  return theirs === `${process.platform} ${ours}`;
}

/**
 * Packs the production modules. The same modules give the same bytes, so that the engine's build cache finds
 * them.
 */
async function packModules(archive: string): Promise<void> {
  mkdirSync(join(REPOSITORY, '.run'), { recursive: true, mode: 0o700 });
  const reproducible = [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u+w,go=rX',
  ];
  await command(
    'tar',
    [
      '--create',
      `--file=${archive}`,
      `--directory=${REPOSITORY}`,
      ...reproducible,
      '--',
      ...productionModules(),
    ],
    { timeoutMs: MODULES_TIMEOUT_MS },
  );
}

const LockFile = z.object({ packages: z.record(z.string(), z.object({ dev: z.boolean().optional() })) });
const NODE_PACKAGE = /^node_modules\/node-(linux|darwin|bin)-[^/]+$/;

/**
 * The folders of all packages except those that only development needs. Packages for other machines are not
 * installed.
 */
function productionModules(): string[] {
  const lock = parseJsonAs(LockFile, readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8'));
  return (
    Object.entries(lock.packages)
      .filter(([path, { dev }]) => dev === undefined && path.lastIndexOf('node_modules/') === 0)
      .map(([path]) => path)
      // Of Node's package the image needs only the program; headers and documents are half of the package.
      .map((path) => (NODE_PACKAGE.test(path) ? `${path}/bin/node` : path))
      .filter((path) => existsSync(join(REPOSITORY, path)))
      .toSorted((a, b) => (a < b ? -1 : 1))
  );
}
