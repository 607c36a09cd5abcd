import { formatCount } from '../../runtime/terminal/units.ts';
import type { CounterEntry } from './sources/counter-state.ts';

/** Where keys come from, in a cluster with the counter. */
export function counterBlock(counter: CounterEntry | undefined): string[] {
  if (counter === undefined) return [];
  const { reserved, capacity } = counter;
  const state =
    reserved === null
      ? 'UNREACHABLE: the users database, which keeps the mark, does not answer'
      : `${formatCount(reserved)} of ${formatCount(capacity)} reserved by mappers`;
  return ['Keys by counter', `  ${state}`, ''];
}

/** What a cluster without ZooKeeper cannot do, and the way to one that can. */
export function smallClusterBlock(): string[] {
  return [
    'This is a small cluster: it has no ZooKeeper, producers, pools and keys-dbs.',
    '  Nothing stands in for its MariaDB: while that is down, no link is made, and only',
    '  links in memory are followed.',
    '  Keys that a mapper held when it was killed are never used again.',
    '  A full cluster with the same data: ./scripts/keymill grow',
    '',
  ];
}
