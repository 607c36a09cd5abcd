import { alarmsOf, silentParts } from './alarms.ts';
import type { State } from './block.ts';
import { addressesOf, memberKey } from './members.ts';
import type { Alarm, Facts, MemberSeen, Seen } from './seen.ts';
import { namesOf, rate, several } from './words.ts';

/** The first line of the page, and what stands below it. */
export interface Headline {
  readonly state: State;
  readonly title: string;
  /** What only a person can mend. */
  readonly alarms: readonly Alarm[];
  /** What members report, and what was read, that may mend itself. */
  readonly faults: readonly Alarm[];
  /** Parts that do not answer. */
  readonly silent: readonly string[];
}

/** All is well only when every part of a cluster of this shape has said so. Pure. */
export function headlineOf(facts: Facts, seen: Seen): Headline {
  const alarms = alarmsOf(seen);
  const alarmed = new Set(alarms.flatMap(({ parts }) => parts));
  const faults = faultsOf(seen).filter(({ parts }) => !parts.every((part) => alarmed.has(part)));
  const silent = silentParts(seen);
  const title = [
    alarms.length > 0 ? several(alarms.length, 'alarm') : [],
    faults.length > 0 ? several(faults.length, 'fault') : [],
    silent.length === 1 ? '1 part does not answer' : [],
    silent.length > 1 ? `${silent.length} parts do not answer` : [],
  ]
    .flat()
    .join(', ');
  const isBad = alarms.length > 0 || unready(seen).length > 0;
  if (title !== '') return { state: isBad ? 'bad' : 'warn', title, alarms, faults, silent };
  return isRead(facts, seen)
    ? { state: 'good', title: 'All is well', alarms, faults, silent }
    : { state: 'unknown', title: 'Reading the cluster', alarms, faults, silent };
}

function faultsOf(seen: Seen): Alarm[] {
  const { members = [], pools = [], counter } = seen;
  const notReady = unready(seen).map(({ id }) => id);
  const failing = members.filter(({ rates }) => failuresOf(rates) > 0);
  const failures = failing.reduce((sum, { rates }) => sum + failuresOf(rates), 0);
  const empty = pools.filter(({ level, problem }) => level === 0 && problem === null);
  return [
    ...(notReady.length > 0 ? [{ parts: notReady, sentence: 'not ready' }] : []),
    ...unusableStores(members),
    ...(empty.length > 0 ? [{ parts: empty.map(({ name }) => name), sentence: 'has no keys' }] : []),
    ...(isUsedUp(counter)
      ? [{ parts: ['counter'], sentence: 'all ids are reserved: mappers have only the keys that they hold' }]
      : []),
    ...(failing.length > 0
      ? [
          {
            parts: [namesOf(failing.map(({ id }) => id))],
            sentence: `${rate(failures)} requests a second fail`,
          },
        ]
      : []),
  ];
}

/** Whether no mapper can get further keys by counter. Pure. */
export function isUsedUp(counter: Seen['counter']): boolean {
  return counter !== undefined && counter.reserved !== null && counter.reserved >= counter.capacity;
}

/** Those that answer, and say that they do not work. */
function unready({ members = [] }: Seen): MemberSeen[] {
  return members.filter(({ problem, isReady }) => problem === null && !isReady);
}

function failuresOf(rates: MemberSeen['rates']): number {
  return rates === undefined ? 0 : rates.perSecond.failed + rates.perSecond.lost;
}

/** Stores that members cannot use. Those that the same members cannot use stand together. */
function unusableStores(members: readonly MemberSeen[]): Alarm[] {
  const said = members.flatMap(({ id, unusable }) => unusable.map((store) => ({ id, store })));
  const stores = [...Map.groupBy(said, ({ store }) => store)].map(([store, by]) => ({
    store,
    by: [...new Set(by.map(({ id }) => id))],
  }));
  return [...Map.groupBy(stores, ({ by }) => namesOf(by))].map(([names, same]) => ({
    parts: same.map(({ store }) => store).sort(),
    sentence: `not used by ${names}`,
  }));
}

/** Whether every source of a cluster of this shape has told something, and every member was asked. */
function isRead(facts: Facts, seen: Seen): boolean {
  const { hasZooKeeper, keySource, shards } = facts;
  const { cluster, zookeeper, registry, counter, pools, keysDbs, members = [] } = seen;
  const asked = new Set(members.map(memberKey));
  return [
    members.length > 0 && addressesOf(seen).every((member) => asked.has(memberKey(member))),
    !hasZooKeeper || (cluster !== undefined && zookeeper !== undefined),
    hasZooKeeper || registry !== undefined,
    keySource === 'pools' ? pools !== undefined : counter !== undefined,
    shards.length === 0 || keysDbs !== undefined,
  ].every(Boolean);
}
