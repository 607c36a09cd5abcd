import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../cluster/run-dir.ts';

/** The public images that we use. Our own image is built in `node`. */
export type PublicImage = 'zookeeper' | 'redis' | 'mariadb' | 'haproxy' | 'nginx' | 'node';

const SOURCES: Record<PublicImage, { readonly file: string; readonly pattern: RegExp }> = {
  zookeeper: { file: 'docker-compose.yml', pattern: /\$\{KEYMILL_ZOOKEEPER_IMAGE:-([^}]+)\}/ },
  redis: { file: 'docker-compose.yml', pattern: /\$\{KEYMILL_REDIS_IMAGE:-([^}]+)\}/ },
  mariadb: { file: 'docker-compose.yml', pattern: /\$\{KEYMILL_MYSQL_IMAGE:-([^}]+)\}/ },
  haproxy: { file: 'docker-compose.yml', pattern: /\$\{KEYMILL_HAPROXY_IMAGE:-([^}]+)\}/ },
  nginx: { file: 'docker-compose.yml', pattern: /\$\{KEYMILL_NGINX_IMAGE:-([^}]+)\}/ },
  node: { file: 'Dockerfile', pattern: /^ARG NODE_IMAGE=(\S+)$/m },
};

/** Name and tag of a public image. Only `docker-compose.yml` and the `Dockerfile` pin them. */
export function pinnedImage(name: PublicImage): string {
  const { file, pattern } = SOURCES[name];
  const image = pattern.exec(readFileSync(join(REPOSITORY, file), 'utf8'))?.[1];
  if (image === undefined) throw new Error(`${file} does not pin an image for ${name}`);
  return image;
}
