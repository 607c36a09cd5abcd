import { startAdmin, type Admin } from '../../../runtime/admin.ts';
import { Dashboard } from '../../../runtime/dashboard/dashboard.ts';
import type { Source } from '../../../runtime/dashboard/source.ts';
import { Timeline } from '../../../runtime/dashboard/timeline.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { ADMIN_TOKEN } from '../../admin-token.ts';
import { playedFeed } from './played-feed.ts';
import { readRecording } from './recording.ts';

interface Wishes {
  /** How many times as fast as the recording. Default: as fast. */
  readonly speed?: number;
  /** Told when the feed begins and ends to play. */
  readonly onFeed?: (isPlaying: boolean) => void;
}

/** An admin port whose dashboard shows the recorded feed of a large cluster. */
export async function startPlayed({ speed = 1, onFeed }: Wishes = {}): Promise<Admin> {
  const recording = readRecording();
  const timeline = new Timeline();
  const play = playedFeed({ recording, speed, timeline });
  const source: Source = (tell, seen) => {
    onFeed?.(true);
    const open = play(tell, seen);
    return {
      first: open.first,
      [Symbol.asyncDispose]: async () => {
        onFeed?.(false);
        await open[Symbol.asyncDispose]();
      },
    };
  };
  const pages = new Dashboard({
    facts: recording.facts,
    token: ADMIN_TOKEN,
    sources: [source],
    lingerMs: 500,
    timeline,
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
