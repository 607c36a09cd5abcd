/** The JSON in `/producers/<id>`: written by the producer, read by the other producers and by operators. */
export interface ProducerMember {
  readonly id: string;
  /** Process id of the worker. */
  readonly pid: number | null;
  readonly supervisorPid: number | null;
  readonly host: string | null;
  /** How many shards it may hold; 0 while drained. */
  readonly capacity: number;
  readonly owned: readonly string[];
  /** Shards that are assigned to this producer and that it asks their present holders to give back. */
  readonly asks: readonly string[];
  /** Shards whose keys-db it cannot reach. */
  readonly unreachable: readonly string[];
  /** Shards that it does not contend for, even when they are free: why, by shard. */
  readonly refused: Readonly<Record<string, string>>;
  /** Stores and mappers whose silence stops the recycling for its shards: why, by name. */
  readonly recyclingBlocked: Readonly<Record<string, string>>;
  /** Base URL of its admin port. */
  readonly admin: string | null;
  /** Watermarks by pool name. */
  readonly low: Readonly<Record<string, number>>;
  readonly high: Readonly<Record<string, number>>;
  /** ISO 8601 UTC. */
  readonly since: string | null;
}

/** The part of a member by which producers decide. */
export type MemberView = Pick<ProducerMember, 'id' | 'capacity' | 'owned' | 'asks' | 'unreachable'>;

/** What a producer announces about its work. The rest of the member data does not change. */
export type AnnouncedMember = MemberView & Pick<ProducerMember, 'refused' | 'recyclingBlocked'>;

/**
 * Reads a member's data. Only id and capacity are required: a producer of another version may write less.
 *
 * @returns undefined if no producer wrote this. Operators see such a foreign node; producers ignore it.
 */
export function parseProducerMember(json: unknown): ProducerMember | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const data = json as Partial<Record<keyof ProducerMember, unknown>>;
  const { id, capacity } = data;
  if (typeof id !== 'string' || typeof capacity !== 'number' || !Number.isInteger(capacity) || capacity < 0) {
    return undefined;
  }
  return {
    id,
    pid: parseNumber(data.pid),
    supervisorPid: parseNumber(data.supervisorPid),
    host: parseString(data.host),
    capacity,
    owned: parseStrings(data.owned),
    asks: parseStrings(data.asks),
    unreachable: parseStrings(data.unreachable),
    refused: parseRecord(data.refused, 'string'),
    recyclingBlocked: parseRecord(data.recyclingBlocked, 'string'),
    admin: parseString(data.admin),
    low: parseRecord(data.low, 'number'),
    high: parseRecord(data.high, 'number'),
    since: parseString(data.since),
  };
}

function parseNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function parseString(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function parseStrings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function parseRecord(value: unknown, type: 'number'): Record<string, number>;
function parseRecord(value: unknown, type: 'string'): Record<string, string>;
function parseRecord(value: unknown, type: 'number' | 'string'): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, item]) => typeof item === type));
}
