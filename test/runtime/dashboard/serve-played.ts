import { startAdmin } from '../../../runtime/admin.ts';
import { Dashboard } from '../../../runtime/dashboard/dashboard.ts';
import { Timeline } from '../../../runtime/dashboard/timeline.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { ADMIN_TOKEN } from '../../admin-token.ts';
import { FACTS, playedFeed } from './played-feed.ts';

/*
 * A process whose dashboard shows the played feed. It tells its parent where, and, when asked, how much
 * processor time it has used.
 */

const pages = new Dashboard({
  facts: FACTS,
  token: ADMIN_TOKEN,
  sources: [playedFeed()],
  timeline: new Timeline(),
  report: async () => {
    throw new Error('nobody asks a played feed');
  },
});
const admin = await startAdmin({
  host: '127.0.0.1',
  port: 0,
  names: [],
  token: ADMIN_TOKEN,
  metrics: createMetrics(),
  ready: () => ({ ok: true }),
  log: createLog('test', 'admin', 'silent'),
  pages,
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000, atMs: performance.now() });
});
process.once('disconnect', () => process.exit());
process.send?.({ url: admin.url });
