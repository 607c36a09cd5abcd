import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../cluster/run-dir.ts';
import type { Docker } from './docker.ts';

export const IMAGE_LABEL = 'keymill.image';
const BUILD_TIMEOUT_MS = 900_000;

/** Name and tag of our own image, as `docker-compose.yml` has them. */
export function ownImage(): string {
  const text = readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  return /\$\{KEYMILL_IMAGE:-([^}]+)\}/.exec(text)?.[1] ?? 'keymill';
}

/** Builds our image from the sources that are here; quick when nothing has changed. The network is the host's: npm's registry is asked. */
export async function buildImage(docker: Docker): Promise<void> {
  await docker.run(
    ['build', '--quiet', '--network=host', `--label=${IMAGE_LABEL}=1`, `--tag=${ownImage()}`, REPOSITORY],
    { timeoutMs: BUILD_TIMEOUT_MS, env: { ...docker.environment, DOCKER_BUILDKIT: '0' } },
  );
}
