import { startAdmin, type Admin } from '../../../runtime/admin.ts';
import { Dashboard } from '../../../runtime/dashboard/dashboard.ts';
import type { Source } from '../../../runtime/dashboard/source.ts';
import { Timeline } from '../../../runtime/dashboard/timeline.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { ADMIN_TOKEN } from '../../admin-token.ts';
import { FACTS, playedFeed } from './played-feed.ts';

/** An admin port whose dashboard shows the played feed. @param onFeed told when it begins and ends */
export async function startPlayed(onFeed: (isPlaying: boolean) => void = () => undefined): Promise<Admin> {
  const play = playedFeed();
  const source: Source = (tell, seen) => {
    onFeed(true);
    const open = play(tell, seen);
    return {
      first: open.first,
      [Symbol.asyncDispose]: async () => {
        onFeed(false);
        await open[Symbol.asyncDispose]();
      },
    };
  };
  const pages = new Dashboard({
    facts: FACTS,
    token: ADMIN_TOKEN,
    sources: [source],
    lingerMs: 500,
    timeline: new Timeline(),
    report: async () => {
      throw new Error('nobody asks a played feed');
    },
  });
  return startAdmin({
    host: '127.0.0.1',
    port: 0,
    names: [],
    token: ADMIN_TOKEN,
    metrics: createMetrics(),
    ready: () => ({ ok: true }),
    log: createLog('test', 'admin', 'silent'),
    pages,
  });
}
