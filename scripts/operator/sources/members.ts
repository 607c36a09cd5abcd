import { hostname } from 'node:os';
import { z } from 'zod';
import type { Coordination } from '../../../coordinator/overview/coordination.ts';
import { whyOutOfReach } from '../../../runtime/admin-address.ts';
import { parseJson } from '../../../runtime/json.ts';
import { naturally } from '../../../runtime/natural-order.ts';
import { tryGet } from '../../cluster/http.ts';
import type { MapperEntry } from '../blocks.ts';
import { ASK_DEADLINE_MS } from './ask.ts';

const Readiness = z.object({ degraded: z.array(z.string()) });

/** The mappers, sorted by id. Asks each for the stores that it cannot use. */
export async function readMappers({ mappers }: Coordination): Promise<MapperEntry[]> {
  const entries = await Promise.all(
    mappers.map(async ({ id, url, admin, host }) => ({ id, url, degraded: await readDegraded(admin, host) })),
  );
  return entries.sort((a, b) => naturally(a.id, b.id));
}

async function readDegraded(admin: string | null, host: string | null): Promise<readonly string[] | null> {
  if (admin === null || whyOutOfReach({ admin, host }, hostname()) !== undefined) return null;
  const answer = await tryGet(`${admin}/readyz`, ASK_DEADLINE_MS);
  return Readiness.safeParse(parseJson(answer?.body ?? '')).data?.degraded ?? null;
}
