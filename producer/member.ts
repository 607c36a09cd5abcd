/** What a producer tells the others, as JSON in `/producers/<id>`. */
export interface Member {
  readonly id: string;
  readonly pid: number;
  readonly supervisorPid: number | null;
  readonly host: string;
  /** How many shards it may hold; 0 while drained. */
  readonly capacity: number;
  readonly owned: readonly string[];
  /** Shards held by somebody above its share that this one, below its share, would take. */
  readonly asks: readonly string[];
  /** Shards whose keys-db it cannot reach. */
  readonly unreachable: readonly string[];
  readonly admin: string;
  /** Watermarks per pool name. */
  readonly low: Readonly<Record<string, number>>;
  readonly high: Readonly<Record<string, number>>;
  readonly since: string;
}

/** The part of a member that the others decide by. A node that holds anything else is foreign: shown and ignored. */
export type MemberView = Pick<Member, 'id' | 'capacity' | 'owned' | 'asks' | 'unreachable'>;

/** Reads a member's data; undefined when it is not what a producer writes. */
export function parseMember(json: unknown): MemberView | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { id, capacity, owned, asks, unreachable } = json as Partial<Record<keyof Member, unknown>>;
  if (typeof id !== 'string' || typeof capacity !== 'number' || !Number.isInteger(capacity) || capacity < 0) {
    return undefined;
  }
  return {
    id,
    capacity,
    owned: stringsOf(owned),
    asks: stringsOf(asks),
    unreachable: stringsOf(unreachable),
  };
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
