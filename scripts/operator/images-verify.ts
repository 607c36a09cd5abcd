import { createKeyspace } from '../../db/keyspace/key.ts';
import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { openSweptRows } from '../../mapper/images/swept-rows.ts';
import type { SweptRows } from '../../mapper/images/sweep-piece.ts';
import { messageOf } from '../../runtime/errors.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { note, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatCount } from '../../runtime/terminal/units.ts';
import { formatBytes } from './sources/bytes.ts';
import { findCluster } from './sources/find-cluster.ts';
import { checkImage, checkOwner, type FaultOfImage, type ImageChecks } from './sources/image-checks.ts';
import { ImageWalk, openStoreOf, shareOf } from './sources/image-stores.ts';
import { startShare } from './sources/share-done.ts';

/** Images that are looked at in the store at the same time. */
const AT_ONCE = 16;
const BLOBS_AT_ONCE = 1_000;
/** More faults are only counted: a store that is lost would fill the memory. */
const MAX_NAMED = 1_000;

/** What was found. */
interface Report {
  images: number;
  bytes: number;
  blobs: number;
  blobBytes: number;
  /** Bytes without a link that the next sweeps will take, or whose upload is under way. */
  waiting: number;
  /** With names that are none of ours. */
  strangers: number;
  /** Of which nobody could say whether they have a link. */
  unknown: number;
  faultCount: number;
  readonly faults: { readonly what: FaultOfImage; readonly blob: string }[];
  readonly unreachable: Map<string, string>;
}

/** Compares rows and blobs in both directions. */
export async function verifyImages(
  terminal: Terminal,
  { hash = false, json }: { readonly hash?: boolean; readonly json?: true },
): Promise<void> {
  const cluster = findCluster(terminal.env);
  const { stores } = cluster.config;
  const store = await openStoreOf(cluster);
  const report: Report = {
    images: 0,
    bytes: 0,
    blobs: 0,
    blobBytes: 0,
    waiting: 0,
    strangers: 0,
    unknown: 0,
    faultCount: 0,
    faults: [],
    unreachable: new Map(),
  };
  try {
    await using rows = openSweptRows({ stores, keyspace: createKeyspace(stores.keys), log: QUIET_LOG });
    const walk = new ImageWalk(stores.urlsDbs);
    await checkImages(terminal, { store, rows, isHashed: hash }, { walk, report });
    for (const [name, reason] of walk.silent) report.unreachable.set(name, reason);
    await checkBlobs(terminal, { store, rows, report });
  } catch (error) {
    report.unreachable.set(store.name, messageOf(error));
  } finally {
    await store.close();
  }
  const { unreachable, ...figures } = report;
  if (json) printJson(terminal, { ...figures, unreachable: [...unreachable.keys()] });
  else printLines(terminal, describe(report, hash));
  for (const [name, reason] of unreachable) note(terminal, `unreachable: ${name} (${reason})`);
  const isIncomplete = unreachable.size > 0 || report.unknown > 0;
  terminal.exitCode = isIncomplete ? 2 : report.faultCount > 0 ? 1 : 0;
}

/** Every image has its bytes. @throws StoreUnavailableError when the store does not answer */
async function checkImages(
  terminal: Terminal,
  checks: ImageChecks,
  { walk, report }: { readonly walk: ImageWalk; readonly report: Report },
): Promise<void> {
  const progress = startShare(terminal, checks.isHashed ? 'reading images' : 'looking for images');
  for await (const { images, share } of walk.all()) {
    // Those that were deleted for good may have lost their bytes.
    const checked = images.filter(({ isGone }) => !isGone);
    for (let at = 0; at < checked.length; at += AT_ONCE) {
      const found = await Promise.all(
        checked.slice(at, at + AT_ONCE).map(async (row) => checkImage(checks, row)),
      );
      for (const { blob, bytes, fault } of found.filter((image) => image !== undefined)) {
        report.images += 1;
        report.bytes += bytes;
        if (fault !== undefined) addFault(report, fault, blob);
      }
      progress.update(share, `${formatCount(report.images)} images, ${formatBytes(report.bytes)}`);
    }
  }
}

interface BlobsUnderCheck {
  readonly store: BlobStore;
  readonly rows: SweptRows;
  readonly report: Report;
}

/** All bytes have their image. @throws StoreUnavailableError when the store does not answer */
async function checkBlobs(terminal: Terminal, { store, rows, report }: BlobsUnderCheck): Promise<void> {
  const progress = startShare(terminal, 'looking for links of what is stored');
  for await (const blobs of piecesOf(store)) {
    for (const { blob, finding } of await checkOwner(rows, blobs, Date.now())) {
      report.blobs += 1;
      report.blobBytes += blob.bytes;
      if (finding === 'waits') report.waiting += 1;
      else if (finding === 'unknown') report.unknown += 1;
      else if (finding === 'stranger') report.strangers += 1;
      else if (finding !== undefined) addFault(report, finding, blob.name);
    }
    const key = blobs.at(-1)?.name.split('/')[1] ?? '';
    progress.update(shareOf(key), `${formatCount(report.blobs)} blobs, ${formatBytes(report.blobBytes)}`);
  }
}

async function* piecesOf(store: BlobStore) {
  let piece = [];
  for await (const blob of store.list('images/')) {
    piece.push(blob);
    if (piece.length < BLOBS_AT_ONCE) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}

function addFault(report: Report, what: FaultOfImage, blob: string): void {
  report.faultCount += 1;
  if (report.faults.length < MAX_NAMED) report.faults.push({ what, blob });
}

const FAULTS: Readonly<Record<FaultOfImage, string>> = {
  'bytes-missing': 'an image has no bytes',
  'wrong-length': 'an image has bytes of another length',
  'wrong-hash': 'an image has bytes with another hash',
  'link-missing': 'bytes have no link',
};

function describe(report: Report, hash: boolean): string[] {
  const { images, bytes, blobs, blobBytes, waiting, strangers, unknown, faults, faultCount } = report;
  const compared = hash ? 'all bytes were read' : 'lengths were compared; --hash reads the bytes too';
  return [
    ...faults.map(({ what, blob }) => `${FAULTS[what]}: ${blob}`),
    ...(faultCount > faults.length ? [`… and ${formatCount(faultCount - faults.length)} more`] : []),
    `${formatCount(images)} images with ${formatBytes(bytes)} (${compared})`,
    `${formatCount(blobs)} blobs with ${formatBytes(blobBytes)}, thumbnails included`,
    ...(waiting > 0
      ? [`${formatCount(waiting)} blobs wait for the next sweep, or for the end of their upload`]
      : []),
    ...(strangers > 0 ? [`${formatCount(strangers)} blobs have names that are none of ours`] : []),
    ...(unknown > 0
      ? [`${formatCount(unknown)} blobs of which nobody can say whether they have a link`]
      : []),
    faultCount === 0 ? 'nothing is missing' : `NOT COMPLETE: ${formatCount(faultCount)} faults`,
  ];
}
