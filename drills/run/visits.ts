import { VisitsLoad } from '../load/visits-load.ts';
import type { DrillRun } from './drill-run.ts';

/** Follows links with `max_visits` until `undo('visits')`, which reports how many visits were given. */
export function startVisits(run: DrillRun): void {
  const { balancer, runId } = run.load;
  const load = new VisitsLoad({ balancer, runId, onWrong: (what) => run.violation(what) });
  run.undoLater('visits', async () => {
    const { links, given, uncertain } = await load.stop();
    run.event(`${links} links with max_visits: ${given} redirects, ${uncertain} visits perhaps lost`);
    if (links === 0) run.violation('no link with max_visits could be made and followed');
  });
}
