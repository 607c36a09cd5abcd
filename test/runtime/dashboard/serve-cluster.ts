import { createKeyspace } from '../../../db/keyspace/key.ts';
import { openDashboard } from '../../../mapper/dashboard.ts';
import { startAdmin } from '../../../runtime/admin.ts';
import { readMapperConfig } from '../../../runtime/config/config.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';

/*
 * The dashboard of a mapper, with its real sources, in a process that does nothing else. It tells its parent
 * where, and, when asked, how much processor time it has used.
 */

const config = readMapperConfig();
const metrics = createMetrics();
const ready = () => ({ ok: true });
const keyspace = createKeyspace(config.stores.keys);
const pages = openDashboard({ config, metrics, ready, keyspace: () => keyspace, held: async () => 0 });
const admin = await startAdmin({ ...config.admin, port: 0, metrics, ready, pages, log: QUIET_LOG });
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000, atMs: performance.now() });
});
process.once('disconnect', () => process.exit());
process.send?.({ url: admin.url });
