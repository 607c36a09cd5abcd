import type { Drill } from '../run/drill.ts';
import { killFor } from '../run/outage.ts';
import { startVisits } from '../run/visits.ts';

const CALM_MS = 1_000;
const MAPPER_DOWN_MS = 3_000;

export const visitsExact: Drill = {
  name: 'visits-exact',
  does:
    'Visitors follow links with `max_visits` through all mappers until they are used up, while mappers are ' +
    'killed by kill -9. No link is followed more often, and less often only by visits that were not answered.',
  needs: [],
  rounds: 10,
  round: async (run) => {
    startVisits(run);
    for (const { id } of run.cluster.file.mappers) {
      await run.rest(CALM_MS);
      await killFor(run, [id], MAPPER_DOWN_MS);
      await run.untilQuiesced();
    }
    await run.rest(CALM_MS);
    await run.undo('visits');
  },
};
