import { createKeyspace } from '../../db/keyspace/key.ts';
import type { SweptRows } from '../../mapper/images/sweep-piece.ts';
import { sweepPiece } from '../../mapper/images/sweep-piece.ts';
import { openSweptRows } from '../../mapper/images/swept-rows.ts';
import { recordOwner, whyOthersShare, whyShared } from '../../mapper/images/store-owner.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { UnreachableError } from '../../runtime/terminal/errors.ts';
import { note, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatCount } from '../../runtime/terminal/units.ts';
import { askOnly } from './sources/ask.ts';
import { formatBytes } from './sources/bytes.ts';
import { findCluster } from './sources/find-cluster.ts';
import { openStoreOf, shareOf } from './sources/image-stores.ts';
import { startShare } from './sources/share-done.ts';

/** One piece: a page of the list, the rows of its keys, and the deletions of two seconds. */
const PIECE_DEADLINE_MS = 120_000;

const REASONS: Readonly<Record<string, string>> = {
  unbound: 'stored a day ago or longer, and bound to no link',
  'other-link': 'their key is bound to a link that is no image',
  'other-bytes': 'their image has other bytes',
  deleted: 'their image was deleted 30 days ago or longer',
  expired: 'their image expired 30 days ago or longer',
};

const UNKNOWN: Readonly<Record<string, string>> = {
  name: 'their names are none of ours',
  'not-read': 'their urls server does not answer',
  rules: 'a newer program wrote their links',
};

/** Goes once through the whole store. */
export async function sweepImages(
  terminal: Terminal,
  { dryRun = false, json }: { readonly dryRun?: boolean; readonly json?: true },
): Promise<void> {
  const cluster = findCluster(terminal.env);
  const store = await openStoreOf(cluster);
  const keyspace = createKeyspace(cluster.config.stores.keys);
  await using rows = openSweptRows({ stores: cluster.config.stores, keyspace, log: QUIET_LOG });
  const swept = new Map<string, { blobs: number; bytes: number }>();
  const unknown = new Map<string, number>();
  let looked = 0;
  let refused = 0;
  let refusal: string | null = null;
  let unreachable: string | undefined;
  const progress = startShare(terminal, 'sweeping');
  try {
    if (!dryRun) await askOnly(store.name, async () => recordOwner(store, keyspace), PIECE_DEADLINE_MS);
    const ours: SweptRows = {
      ...rows,
      // Before its first sweep a cluster need not have its record.
      whyLost: async () =>
        (await (dryRun ? whyOthersShare : whyShared)(store, keyspace)) ?? (await rows.whyLost()),
    };
    let position: string | undefined;
    do {
      const after = position;
      const piece = await askOnly(
        store.name,
        async () =>
          sweepPiece(
            {
              store,
              rows: ours,
              isDryRun: dryRun,
              onSwept: ({ bytes }, why) => {
                const sum = swept.get(why) ?? { blobs: 0, bytes: 0 };
                swept.set(why, { blobs: sum.blobs + 1, bytes: sum.bytes + bytes });
              },
              onUnknown: (_blob, why) => unknown.set(why, (unknown.get(why) ?? 0) + 1),
              onRefused: () => (refused += 1),
            },
            after,
          ),
        PIECE_DEADLINE_MS,
      );
      looked += piece.looked;
      refusal ??= piece.refusal ?? null;
      position = piece.position;
      progress.update(position === undefined ? 1 : shareOf(position.split('/')[1] ?? ''));
    } while (position !== undefined);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    // What was deleted before is told all the same.
    unreachable = error.message;
  } finally {
    await store.close();
  }
  if (json)
    printJson(terminal, {
      dryRun,
      looked,
      swept: Object.fromEntries(swept),
      unknown: Object.fromEntries(unknown),
      refused,
      refusal,
      unreachable: unreachable === undefined ? [] : [store.name],
    });
  else {
    const did = dryRun ? 'would delete' : 'deleted';
    printLines(terminal, [
      ...Array.from(
        swept,
        ([why, { blobs, bytes }]) =>
          `${did} ${formatCount(blobs)} blobs, ${formatBytes(bytes)}: ${REASONS[why] ?? why}`,
      ),
      ...(swept.size === 0 ? [`${did} nothing`] : []),
      `looked at ${formatCount(looked)} blobs`,
    ]);
  }
  for (const [why, blobs] of unknown)
    note(terminal, `left ${formatCount(blobs)} blobs: ${UNKNOWN[why] ?? why}`);
  if (refused > 0) note(terminal, `left ${formatCount(refused)} blobs: the store refuses to delete them`);
  if (refusal !== null) note(terminal, `left what may only have lost its link: ${refusal}`);
  if (unreachable !== undefined) note(terminal, `stopped: ${unreachable}`);
  if (unreachable !== undefined || refusal !== null || refused > 0 || unknown.has('not-read'))
    terminal.exitCode = 2;
}
