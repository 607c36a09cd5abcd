/** The JSON in `/mappers/<id>`: written by the mapper, read by operators. */
export interface MapperMember {
  readonly id: string;
  readonly url: string;
  /** Base URL of its admin port. */
  readonly admin: string;
  readonly pid: number;
  readonly host: string;
  /** ISO 8601 UTC. */
  readonly since: string;
}

/** The fields of a member that operators need. A mapper of another version may not write all of them. */
export interface MapperView {
  readonly id: string;
  readonly url: string;
  readonly admin: string | null;
  readonly host: string | null;
}

/** @returns undefined if no mapper writes this: such a foreign node is shown to operators */
export function parseMapperMember(json: unknown): MapperView | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { id, url, admin, host } = json as Partial<Record<keyof MapperView, unknown>>;
  if (typeof id !== 'string' || typeof url !== 'string') return undefined;
  return { id, url, admin: parseText(admin), host: parseText(host) };
}

/** The host name that a member of any kind writes. */
export function parseHost(json: unknown): string | undefined {
  const isRecord = typeof json === 'object' && json !== null && 'host' in json;
  return isRecord && typeof json.host === 'string' ? json.host : undefined;
}

function parseText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
