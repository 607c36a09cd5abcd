/* The sentences about a small cluster: `keymill status` and the dashboard say the same. Pure. */

/** What a cluster without ZooKeeper cannot do, and the way to one that can. */
export const SMALL_CLUSTER = [
  'This is a small cluster: it has no ZooKeeper, producers, pools and keys-dbs.',
  'Nothing stands in for its MariaDB: while that is down, no link is made, and only links in memory are followed.',
  'Keys that a mapper held when it was killed are never used again.',
  'A full cluster with the same data: ./scripts/keymill grow',
] as const;

/** Said where the mark of the counter would stand. */
export const NO_MARK = 'the users database, which keeps the mark, does not answer';

/** How far the ids of the counter are given out. Both figures are written already. */
export function reservedSentence(reserved: string, capacity: string): string {
  return `${reserved} of ${capacity} reserved by mappers`;
}
