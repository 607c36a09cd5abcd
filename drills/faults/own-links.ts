import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { killFor } from '../run/outage.ts';
import { pruneLinks, startOwnLinks, type OwnLinks } from '../run/own-links.ts';

const CALM_MS = 1_000;
const MAPPER_DOWN_MS = 3_000;
/** Links that are pruned while a mapper is down. */
const PRUNED = 3;

/** Deletes links and prunes them. They stay gone for their owner, and their keys are not given again. */
async function pruneSome(run: DrillRun, { client, load }: OwnLinks): Promise<void> {
  const deleted = await load.retire(PRUNED);
  await pruneLinks(run, client, deleted);
  run.event(`${deleted.length} links are deleted and pruned`);
  for (const link of deleted) {
    await client.followEverywhere(link.key);
    const found = await client.read(link.key);
    if (typeof found === 'object') run.violation(`${link.key} was pruned, and its owner can still read it`);
    if ((await client.change(link, { kind: 'restore' })) === 'acked')
      run.violation(`${link.key} was pruned, and was restored after that`);
    await client.claim(link.key);
  }
}

export const linksChanged: Drill = {
  name: 'links-changed',
  does:
    'Several clients make, edit, delete, restore and prune the same links, while mappers are killed by ' +
    'kill -9. No update is lost, a redirect after an acknowledged change shows it, and no key is given again.',
  needs: [],
  rounds: 10,
  round: async (run) => {
    const own = await startOwnLinks(run);
    for (const { id } of run.cluster.file.mappers) {
      await run.rest(CALM_MS);
      await Promise.all([pruneSome(run, own), killFor(run, [id], MAPPER_DOWN_MS)]);
      await run.untilQuiesced();
    }
    await run.rest(CALM_MS);
    await run.undo('own-links');
    await own.load.followAll();
  },
};
