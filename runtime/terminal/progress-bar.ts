import { Presets, SingleBar } from 'cli-progress';
import { monotonicMs } from '../clock.ts';
import { note, type Terminal } from './terminal.ts';
import { formatCount, formatDuration, formatFigure } from './units.ts';

/** Shows the progress of countable work: as a moving bar on a terminal, as lines in a log or a pipe. */
export interface ProgressBar {
  update(done: number): void;
  /** Ends the bar and leaves its last state on the screen. */
  stop(): void;
}

interface CountableWork {
  readonly what: string;
  readonly total: number;
  /** Plural, such as `keys`. */
  readonly unit: string;
}

/** How often a log or a pipe gets a line. */
const LINE_EVERY_MS = 5_000;

export function startProgressBar(terminal: Terminal, work: CountableWork): ProgressBar {
  return terminal.isInteractive ? startBar(terminal, work) : startLines(terminal, work);
}

function startBar(terminal: Terminal, { what, total, unit }: CountableWork): ProgressBar {
  const startedMs = monotonicMs();
  const bar = new SingleBar(
    {
      format: `${what}  {bar}  {percentage} %  {done} of {all} ${unit}  {rate}/s  {left} left`,
      stream: terminal.stderr,
      hideCursor: true,
      barsize: 30,
      fps: 5,
      linewrap: null,
    },
    Presets.shades_classic,
  );
  const describe = (done: number): Record<string, string> => {
    const elapsedMs = Math.max(1, monotonicMs() - startedMs);
    const rate = (done / elapsedMs) * 1_000;
    return {
      done: formatCount(done) ?? '',
      all: formatCount(total) ?? '',
      rate: formatFigure(rate),
      left: rate === 0 ? '?' : formatDuration(((total - done) / rate) * 1_000),
    };
  };
  bar.start(total, 0, describe(0));
  return { update: (done) => bar.update(done, describe(done)), stop: () => bar.stop() };
}

function startLines(terminal: Terminal, { what, total, unit }: CountableWork): ProgressBar {
  const startedMs = monotonicMs();
  let writtenMs = startedMs;
  let done = 0;
  const writeLine = (): void => {
    writtenMs = monotonicMs();
    const rate = (done / Math.max(1, writtenMs - startedMs)) * 1_000;
    note(terminal, `${what}: ${formatCount(done)} of ${formatCount(total)} ${unit}, ${formatFigure(rate)}/s`);
  };
  return {
    update: (now) => {
      done = now;
      if (monotonicMs() - writtenMs >= LINE_EVERY_MS) writeLine();
    },
    stop: writeLine,
  };
}
