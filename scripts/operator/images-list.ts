import { once } from 'node:events';
import type { ImageRow } from '../../db/own-links/image-rows.ts';
import { knownRules } from '../../db/urls/link-rules.ts';
import { note, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatCount } from '../../runtime/terminal/units.ts';
import { visible } from '../../runtime/terminal/visible.ts';
import { formatBytes } from './sources/bytes.ts';
import { findCluster, type Cluster } from './sources/find-cluster.ts';
import { ImageWalk, type ImagesPiece } from './sources/image-stores.ts';
import { requireUser, withUsersDb } from './sources/users.ts';

/** Prints images as they are read, so that memory stays bounded. */
export async function listImages(
  terminal: Terminal,
  { owner, json }: { readonly owner?: string; readonly json?: true },
): Promise<void> {
  const cluster = findCluster(terminal.env);
  const walk = new ImageWalk(cluster.config.stores.urlsDbs);
  const pieces = owner === undefined ? walk.all() : walk.ownedBy(await userIdOf(cluster, owner));
  if (json) await printAsJson(terminal, walk, pieces);
  else await printAsText(terminal, pieces);
  for (const [name, reason] of walk.silent) note(terminal, `unreachable: ${name} (${reason})`);
  if (walk.silent.size > 0) terminal.exitCode = 2;
}

async function userIdOf(cluster: Cluster, email: string): Promise<bigint> {
  return withUsersDb(cluster, async (db) => (await requireUser(db, email)).id);
}

async function printAsJson(
  terminal: Terminal,
  walk: ImageWalk,
  pieces: AsyncIterable<ImagesPiece>,
): Promise<void> {
  await print(terminal, '{"images":[');
  let separator = '\n';
  try {
    for await (const { images } of pieces) {
      for (const image of images) {
        await print(terminal, `${separator}${JSON.stringify(entryOf(image))}`);
        separator = ',\n';
      }
    }
  } finally {
    await print(terminal, `],"unreachable":${JSON.stringify([...walk.silent.keys()])}}\n`);
  }
}

async function printAsText(terminal: Terminal, pieces: AsyncIterable<ImagesPiece>): Promise<void> {
  let count = 0;
  let bytes = 0;
  for await (const { images } of pieces) {
    for (const image of images) {
      const entry = entryOf(image);
      count += 1;
      bytes += entry.bytes ?? 0;
      const size = entry.width === null ? '?' : `${entry.width} × ${entry.height} px`;
      const cells = [
        entry.key.padEnd(10),
        (entry.type ?? '?').padEnd(4),
        size.padStart(16),
        (entry.bytes === null ? '?' : formatBytes(entry.bytes)).padStart(9),
        entry.state.padEnd(8),
        entry.createdAt,
        entry.userId === null ? 'nobody' : `user ${entry.userId}`,
      ];
      await print(terminal, `${visible(cells.join('  ')).trimEnd()}\n`);
    }
  }
  await print(terminal, `${formatCount(count)} images, ${formatBytes(bytes)}\n`);
}

async function print({ stdout }: Terminal, text: string): Promise<void> {
  if (!stdout.write(text)) await once(stdout, 'drain');
}

/** An image in the output of `list`. What a newer program wrote about it is null. */
interface ImageEntry {
  readonly key: string;
  readonly type: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly bytes: number | null;
  readonly sha256: string | null;
  readonly userId: string | null;
  readonly state: 'live' | 'deleted' | 'expired' | 'disabled' | 'blocked';
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

function entryOf(row: ImageRow): ImageEntry {
  const { image } = knownRules(row.rules);
  return {
    key: row.key,
    type: image?.type ?? null,
    width: image?.width ?? null,
    height: image?.height ?? null,
    bytes: image?.bytes ?? null,
    sha256: image?.sha256 ?? null,
    userId: row.userId?.toString() ?? null,
    state: stateOf(row),
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
  };
}

function stateOf({ deletedAt, expiresAt, rules }: ImageRow): ImageEntry['state'] {
  if (deletedAt !== null) return 'deleted';
  if (rules.blocked !== undefined) return 'blocked';
  if (expiresAt !== null && expiresAt.getTime() <= Date.now()) return 'expired';
  return rules.disabled === true ? 'disabled' : 'live';
}
