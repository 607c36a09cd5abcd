import { Presets, SingleBar } from 'cli-progress';
import { monotonicMs } from '../clock.ts';
import { note, type Terminal } from './terminal.ts';
import { formatCount, formatDuration, formatFigure } from './units.ts';

/** How far something countable has come: a bar where somebody looks, a line now and then where not. */
export interface ProgressBar {
  update(done: number): void;
  /** Ends the bar; what was done stays on the screen. */
  stop(): void;
}

/** A log or a pipe gets a line this often. */
const LINE_EVERY_MS = 5_000;

export function startProgressBar(terminal: Terminal, what: string, total: number, unit: string): ProgressBar {
  return terminal.isInteractive
    ? startBar(terminal, what, total, unit)
    : startLines(terminal, what, total, unit);
}

function startBar(terminal: Terminal, what: string, total: number, unit: string): ProgressBar {
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

function startLines(terminal: Terminal, what: string, total: number, unit: string): ProgressBar {
  const startedMs = monotonicMs();
  let saidMs = startedMs;
  let done = 0;
  const say = (): void => {
    saidMs = monotonicMs();
    const rate = (done / Math.max(1, saidMs - startedMs)) * 1_000;
    note(terminal, `${what}: ${formatCount(done)} of ${formatCount(total)} ${unit}, ${formatFigure(rate)}/s`);
  };
  return {
    update: (now) => {
      done = now;
      if (monotonicMs() - saidMs >= LINE_EVERY_MS) say();
    },
    stop: say,
  };
}
