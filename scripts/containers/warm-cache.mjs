/*
 * Fills Node's compile cache while our image is built: warm-cache.mjs FOLDER USER, as root.
 *
 * The containers' root file system is read-only, so they could not fill it themselves. Each program is
 * started without any configuration: it loads its modules, finds that its variables are missing, and ends. It
 * runs as the user of the containers, because Node keeps one cache for each user id.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const PROGRAMS = [
  ['scripts/keymill.ts', 'prepare'],
  ['scripts/containers/health.mjs'],
  ['producer/main.ts'],
  ['producer/worker-main.ts'],
  ['mapper/process-main.ts'],
  ['mapper/main.ts'],
  // What mappers load when they are told of it, or asked for it. Nothing runs in these.
  ['mapper/koa-handler.ts'],
  ['mapper/open-api.ts'],
  ['mapper/dashboard.ts'],
  ['mapper/membership.ts'],
  ['coordinator/overview/cluster-source.ts'],
  ['db/blobs/s3-store.ts'],
];

const [folder, user] = [process.argv[2], Number(process.argv[3])];
mkdirSync(folder);
chownSync(folder, user, user);
for (const args of PROGRAMS) {
  const env = { NODE_ENV: 'production', NODE_COMPILE_CACHE: folder };
  const { error } = spawnSync(process.execPath, args, {
    env,
    uid: user,
    gid: user,
    stdio: 'pipe',
    timeout: 60_000,
  });
  if (error) throw error;
}
// In the image they belong to root: the containers may read them and nothing more.
const written = readdirSync(folder, { recursive: true, withFileTypes: true });
for (const entry of written)
  chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
if (written.length < 100)
  throw new Error(`only ${written.length} modules were compiled: did the programs not start?`);
console.log(`${written.length} compiled modules`);
