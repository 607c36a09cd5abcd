import { Help } from 'commander';
import type { ProducerEntry } from '../../coordinator/overview/producer-entries.ts';
import {
  blockerAlarms,
  goneBackAlarms,
  poolAlarms,
  refusedAlarms,
  unheldAlarms,
} from '../../runtime/dashboard/alarm-sentences.ts';
import { section } from '../../runtime/terminal/terminal.ts';
import { formatAge, formatCount } from '../../runtime/terminal/units.ts';
import type { UrlsDbEntry } from '../../db/overview/gone-back.ts';
import type { BlockerEntry, RefusedEntry, UnheldEntry } from '../../coordinator/overview/alarms.ts';
import type { KeysDbEntry } from './sources/keys-dbs.ts';
import type { LockEntry } from '../../coordinator/overview/lock-entries.ts';
import type { PoolEntry } from './sources/pool-levels.ts';

/* The parts of a cluster on a screen. `status` shows all; `locks`, `pools` and `producers` show one each. */

/** A mapper in the output of `--json`. */
export interface MapperEntry {
  readonly id: string;
  readonly url: string;
  /** The stores that it cannot use, as its `/readyz` names them; null when it does not answer. */
  readonly degraded: readonly string[] | null;
}

/** @param isKnown false when ZooKeeper did not answer: then a missing lock is unknown and not free */
export function locksBlock(locks: readonly LockEntry[], nowMs: number, isKnown = true): string[] {
  return section(
    'Locks',
    [
      { title: 'shard' },
      { title: 'holder' },
      { title: 'worker pid' },
      { title: 'epoch', align: 'right' },
      { title: 'held for', align: 'right' },
    ],
    locks.map(({ shard, owner, pid, since, epoch }) => [
      shard,
      owner ?? (isKnown ? '(free)' : '(unknown)'),
      pid?.toString(),
      epoch?.toString(),
      formatAge(since, nowMs),
    ]),
  );
}

export function poolsBlock(pools: readonly PoolEntry[]): string[] {
  return section(
    'Pools (keys)',
    [
      { title: 'pool' },
      { title: 'level', align: 'right' },
      { title: 'low', align: 'right' },
      { title: 'high', align: 'right' },
      { title: 'state' },
    ],
    pools.map((pool) => [
      pool.name,
      formatCount(pool.level),
      formatCount(pool.low),
      formatCount(pool.high),
      stateOf(pool),
    ]),
  );
}

function stateOf({ level, low, healthy, problem }: PoolEntry): string {
  if (problem !== null) return 'NOT USED';
  if (level === null) return 'UNREACHABLE';
  if (!healthy) return 'SLOW';
  if (level === 0) return 'EMPTY';
  return low !== null && level <= low ? 'low' : 'ok';
}

export function producersBlock(producers: readonly ProducerEntry[]): string[] {
  return section(
    'Producers',
    [
      { title: 'producer' },
      { title: 'worker pid' },
      { title: 'supervisor pid' },
      { title: 'holds' },
      { title: 'shards' },
    ],
    producers.map(({ id, workerPid, supervisorPid, capacity, drained, shards }) => [
      id,
      workerPid?.toString(),
      supervisorPid?.toString(),
      `${shards.length} of ${capacity}${drained ? ', DRAINED' : ''}`,
      shards.length === 0 ? undefined : shards.join(' '),
    ]),
  );
}

export function mappersBlock(mappers: readonly MapperEntry[]): string[] {
  return section(
    'Mappers',
    [{ title: 'mapper' }, { title: 'url' }, { title: 'does not use' }],
    mappers.map(({ id, url, degraded }) => [
      id,
      url,
      degraded === null ? '(unknown)' : degraded.join(', ') || undefined,
    ]),
  );
}

export function keysDbsBlock(keysDbs: readonly KeysDbEntry[]): string[] {
  return section(
    'Keys-dbs (keys)',
    [{ title: 'keys-db' }, { title: 'unused', align: 'right' }, { title: 'used', align: 'right' }],
    keysDbs.map(({ name, unused, used }) => [name, formatCount(unused) ?? 'UNREACHABLE', formatCount(used)]),
  );
}

interface Alarms {
  readonly unheld?: readonly UnheldEntry[];
  readonly refused?: readonly RefusedEntry[];
  readonly recyclingBlocked?: readonly BlockerEntry[];
  readonly urlsDbs?: readonly UrlsDbEntry[];
  readonly pools?: readonly PoolEntry[];
}

/** Width of a sentence about an alarm. */
const ALARM_COLUMNS = 80;

/** What only a person can mend. Empty if there is nothing of the kind. */
export function alarmsBlock(alarms: Alarms): string[] {
  const { unheld = [], refused = [], recyclingBlocked = [], urlsDbs = [], pools = [] } = alarms;
  const rows = [
    ...unheldAlarms(unheld),
    ...refusedAlarms(refused),
    ...poolAlarms(pools),
    ...blockerAlarms(recyclingBlocked),
    ...goneBackAlarms(urlsDbs),
  ].flatMap(({ parts, sentence }) => alarmRows(parts, sentence));
  return rows.length === 0 ? [] : section('ALARMS', [{ title: 'part' }, { title: 'what is wrong' }], rows);
}

/** A part on each line, and beside them the sentence, in lines of a width that fits on a screen. */
function alarmRows(parts: readonly string[], sentence: string): string[][] {
  const lines = new Help().boxWrap(sentence, ALARM_COLUMNS).split('\n');
  const height = Math.max(parts.length, lines.length);
  return Array.from({ length: height }, (_, i) => [parts[i] ?? '', lines[i] ?? '']);
}

/** Nothing when there are none, because that is how it should be. */
export function reservedAliasesBlock(aliases: readonly string[]): string[] {
  if (aliases.length === 0) return [];
  return [`Links whose alias is a reserved word now (they go on working): ${aliases.join(', ')}`, ''];
}
