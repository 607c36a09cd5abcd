import { formatSlots, parseSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import type { ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { waitUntilGone } from '../../scripts/servers/identity.ts';
import type { Drill } from '../drill.ts';
import { logFromNow } from '../watch/log-tail.ts';

/** A mapper that is given another map of slots than the one by which links are stored, while the others go on by that. */

const REFUSAL_TIMEOUT_MS = 15_000;
const EXCHANGED = 'two servers exchanged';
const MOVED = 'one slot moved';

type UrlsDbs = ClusterFile['urlsDbs'];

/** Covers all slots as well as the right one: only the servers themselves can tell that it is another. Needs two servers. */
function otherMap(urlsDbs: UrlsDbs, part: string, random: (slots: readonly number[]) => number): UrlsDbs {
  const [first, second, ...rest] = urlsDbs;
  if (first === undefined || second === undefined)
    throw new Error('this cluster has one urls database: there is no other map of its slots');
  if (part === EXCHANGED)
    return [{ ...first, slots: second.slots }, { ...second, slots: first.slots }, ...rest];
  const [ours = [], theirs = []] = [first, second].map(({ slots }) => parseSlots(slots) ?? []);
  const moved = random(ours);
  return [
    { ...first, slots: formatSlots(ours.filter((slot) => slot !== moved)) },
    { ...second, slots: formatSlots([...theirs, moved]) },
    ...rest,
  ];
}

const written = (urlsDbs: UrlsDbs): string => urlsDbs.map(({ name, slots }) => `${name} ${slots}`).join(', ');

export const slotMap: Drill = {
  name: 'slot-map',
  does: `a mapper is restarted with another map of the ${SLOT_COUNT} slots than that by which links are stored, and the others have: it refuses to serve and says why, nobody else notices`,
  needs: [],
  rounds: 2,
  parts: [EXCHANGED, MOVED],
  round: async (stage, part) => {
    const { cluster } = stage;
    const { id: mapper } = stage.pick(cluster.file.mappers);
    const urlsDbs = otherMap(cluster.file.urlsDbs, part, (slots) => stage.pick(slots));
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault(`${mapper} is restarted with ${written(urlsDbs)}`);
    await cluster.kill(mapper, 'SIGTERM');
    const readLog = logFromNow(cluster.runDir.logOf(mapper));
    await cluster.startMissing({ addresses: { urlsDbs } });
    const started = cluster.identityOf(mapper);
    cluster.expectDeath(mapper);
    if (!(await waitUntilGone(started, REFUSAL_TIMEOUT_MS))) {
      stage.violation(`${mapper} runs on with a map that the urls servers contradict`);
      await cluster.kill(mapper);
    }
    const log = readLog();
    if (log.includes('"mapper serves"')) stage.violation(`${mapper} served by that map`);
    if (!log.includes('it records that it owns slots'))
      stage.violation(`${mapper} does not say what is wrong`);
    stage.event(`${mapper} has ended by itself`);
    await stage.undo('restart');
    end();
  },
};
