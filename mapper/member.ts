import { z } from 'zod';

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

const MapperView = z.object({
  id: z.string(),
  url: z.string(),
  admin: z.string().nullable().catch(null),
  host: z.string().nullable().catch(null),
});
/** The fields of a member that operators need. A mapper of another version may not write all of them. */
export type MapperView = z.infer<typeof MapperView>;

/** @returns undefined if no mapper writes this: such a foreign node is shown to operators */
export function parseMapperMember(json: unknown): MapperView | undefined {
  return MapperView.safeParse(json).data;
}

/** The host name that a member of any kind writes. */
export function parseHost(json: unknown): string | undefined {
  return z.object({ host: z.string() }).safeParse(json).data?.host;
}
