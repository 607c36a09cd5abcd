import { monotonicMs } from '../../../runtime/clock.ts';
import { note, type Terminal } from '../../../runtime/terminal/terminal.ts';
import { formatDuration } from '../../../runtime/terminal/units.ts';

/** Tells how far a walk is that does not know how much there is: only how much of the way is done. */
export interface ShareDone {
  /** @param share from 0 to 1 @param more what else is known: `1.2 GB read` */
  update(share: number, more?: string): void;
}

/** How often there is a line. A walk of some seconds has none. */
const LINE_EVERY_MS = 5_000;

/** Lines on stderr, of this form: `verifying: 12 % done, 3 min left`. */
export function startShare(terminal: Terminal, what: string): ShareDone {
  const startedMs = monotonicMs();
  let writtenMs = startedMs;
  return {
    update: (share, more) => {
      const nowMs = monotonicMs();
      if (nowMs - writtenMs < LINE_EVERY_MS || share <= 0) return;
      writtenMs = nowMs;
      const leftMs = ((nowMs - startedMs) / share) * (1 - share);
      const also = more === undefined ? '' : `, ${more}`;
      note(terminal, `${what}: ${Math.floor(share * 100)} % done${also}, ${formatDuration(leftMs)} left`);
    },
  };
}
