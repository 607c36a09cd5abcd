import { formatSlots, parseSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import type { ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { waitUntilGone } from '../../scripts/servers/identity.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { logFromNow } from '../watch/log-tail.ts';

const REFUSAL_TIMEOUT_MS = 15_000;
const EXCHANGED = 'two servers exchanged';
const MOVED = 'one slot moved';

type UrlsDbs = ClusterFile['urlsDbs'];

/**
 * A wrong map that covers every slot, as the right one does: only the urls servers can tell that it is wrong.
 * @throws Error when the cluster has only one urls server
 */
function wrongMap(run: DrillRun, part: string): UrlsDbs {
  const [first, second, ...rest] = run.cluster.file.urlsDbs;
  if (first === undefined || second === undefined)
    throw new Error('this cluster has only one urls server, so there is no other map of its slots');
  if (part === EXCHANGED)
    return [{ ...first, slots: second.slots }, { ...second, slots: first.slots }, ...rest];
  const [ours = [], theirs = []] = [first, second].map(({ slots }) => parseSlots(slots) ?? []);
  const moved = run.pick(ours);
  return [
    { ...first, slots: formatSlots(ours.filter((slot) => slot !== moved)) },
    { ...second, slots: formatSlots([...theirs, moved]) },
    ...rest,
  ];
}

function describeMap(urlsDbs: UrlsDbs): string {
  return urlsDbs.map(({ name, slots }) => `${name} ${slots}`).join(', ');
}

/** Starts a mapper that is stopped, with this map. It must log the contradiction and end without serving. */
async function expectRefusal(run: DrillRun, mapper: string, urlsDbs: UrlsDbs): Promise<void> {
  const { cluster } = run;
  const readLog = logFromNow(cluster.runDir.logOf(mapper));
  await cluster.startMissing({ addresses: { urlsDbs } });
  const started = cluster.identityOf(mapper);
  cluster.expectDeath(mapper);
  if (!(await waitUntilGone(started, REFUSAL_TIMEOUT_MS))) {
    run.violation(`${mapper} still runs with a map that the urls servers contradict`);
    await cluster.kill(mapper);
  }
  const log = readLog();
  if (log.includes('"mapper serves"')) run.violation(`${mapper} served with the wrong map`);
  if (!log.includes('it records that it owns slots'))
    run.violation(`${mapper} did not log what is wrong with its map`);
  run.event(`${mapper} has ended`);
}

export const slotMap: Drill = {
  name: 'slot-map',
  does:
    `Restarts one mapper with a wrong map of the ${SLOT_COUNT} slots to the urls servers. It refuses to ` +
    'serve and logs why. No request fails.',
  needs: [],
  rounds: 2,
  parts: [EXCHANGED, MOVED],
  round: async (run, part) => {
    const { cluster } = run;
    const { id: mapper } = run.pick(cluster.file.mappers);
    const urlsDbs = wrongMap(run, part);
    run.undoLater('restart', async () => cluster.startMissing());
    const end = run.beginFault(`${mapper} is restarted with the map ${describeMap(urlsDbs)}`);
    await cluster.kill(mapper, 'SIGTERM');
    await expectRefusal(run, mapper, urlsDbs);
    await run.undo('restart');
    end();
  },
};
