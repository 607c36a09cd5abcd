import { hostname } from 'node:os';
import { z } from 'zod';
import { whyOutOfReach } from '../../../runtime/admin-address.ts';
import { parseJson } from '../../../runtime/json.ts';
import { tryGet } from '../../cluster/http.ts';
import type { MapperEntry, ProducerEntry } from '../blocks.ts';
import { ASK_DEADLINE_MS, naturally } from './ask.ts';
import type { Coordination } from './coordination.ts';

/**
 * The producers in the output of `--json`, sorted by id. Their shards come from the locks, which are
 * authoritative.
 */
export function producerEntries({ producers, locks, drained }: Coordination): ProducerEntry[] {
  return producers
    .map(({ id, pid, supervisorPid, capacity }) => ({
      id,
      supervisorPid,
      workerPid: pid,
      capacity,
      drained: drained.includes(id),
      shards: [...locks]
        .flatMap(([shard, lock]) => (lock.kind === 'ours' && lock.owner === id ? [shard] : []))
        .sort(naturally),
    }))
    .sort((a, b) => naturally(a.id, b.id));
}

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
