import type { MemberView } from '../../coordinator/overview/producer-member.ts';

/** A producer that may hold two shards and holds none. */
export function memberView(id: string, over: Partial<MemberView> = {}): MemberView {
  return { id, capacity: 2, owned: [], asks: [], unreachable: [], ...over };
}
