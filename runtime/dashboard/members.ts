import type { Facts, MemberAddress, Seen } from './seen.ts';

/*
 * Who runs. ZooKeeper names the members; where there is none, Redis names the mappers. While a cluster
 * grows, mappers that run since before there was a ZooKeeper are only known in Redis. Pure.
 */

/** Whether somebody has told who runs. */
export function isNamed({ hasZooKeeper }: Pick<Facts, 'hasZooKeeper'>, { cluster, registry }: Seen): boolean {
  return hasZooKeeper ? cluster !== undefined : registry !== undefined;
}

/** Where members are asked for their reports. */
export function addressesOf({ cluster, registry }: Seen): readonly MemberAddress[] {
  const named = cluster?.members ?? [];
  const known = new Set(named.map(memberKey));
  return [...named, ...(registry?.members ?? []).filter((member) => !known.has(memberKey(member)))];
}

/** The address of each mapper, by its id. */
export function mapperUrlsOf({ cluster, registry }: Seen): ReadonlyMap<string, string> {
  return new Map([...(registry?.mappers ?? []), ...(cluster?.mappers ?? [])].map(({ id, url }) => [id, url]));
}

/** Ids are unique among members of one kind. */
export function memberKey({ kind, id }: Pick<MemberAddress, 'kind' | 'id'>): string {
  return `${kind} ${id}`;
}
