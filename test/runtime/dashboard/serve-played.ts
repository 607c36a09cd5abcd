import { startPlayed } from './played-dashboard.ts';

/*
 * A process whose dashboard shows the played feed. It tells its parent where, and, when asked, how much
 * processor time it has used, and whether the feed plays.
 */

let isPlaying = false;
const admin = await startPlayed({ onFeed: (isNow) => (isPlaying = isNow) });
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000, atMs: performance.now(), isPlaying });
});
process.once('disconnect', () => process.exit());
process.send?.({ url: admin.url });
