import { createLogUpdate } from 'log-update';
import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { messageOf } from '../../runtime/errors.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { note, printPaced, type Terminal } from '../../runtime/terminal/terminal.ts';
import { visible } from '../../runtime/terminal/visible.ts';
import { layOut } from './one-screen.ts';
import { readClusterStatus, type SeenCluster } from './sources/cluster-status.ts';
import { findCluster } from './sources/find-cluster.ts';
import { noteStrangers } from './sources/strangers.ts';
import { statusBlocks } from './status-blocks.ts';

/** Between two looks. Each look opens and closes some connections to every store. */
const EVERY_MS = 1_000;

interface Look {
  /** Undefined: the cluster cannot be found any more. */
  readonly seen: SeenCluster | undefined;
  /** What else there is to say, such as which sources did not answer. */
  readonly remarks: readonly string[];
}

/** Shows a look. */
type Show = (look: Look) => Promise<void>;

/**
 * Shows the cluster again and again, until aborted: on a terminal on one screen, in place; elsewhere one
 * screen below the other; as JSON a document in each line.
 * @throws UsageError when there is no cluster at the beginning
 */
export async function watchStatus(
  terminal: Terminal,
  { isJson, signal }: { readonly isJson: boolean; readonly signal: AbortSignal },
): Promise<void> {
  // A cluster that is missing from the beginning is wrong usage. Later it may have been stopped for a moment.
  findCluster(terminal.env);
  const screen = isJson ? undefined : findScreen(terminal);
  const show = screen === undefined ? createPrinter(terminal, isJson) : showOn(screen);
  try {
    while (!signal.aborted) {
      const look = await lookAt(terminal);
      if (signal.aborted) break;
      await show(look);
      await pauseQuietly(EVERY_MS, signal);
    }
  } finally {
    screen?.log.done();
  }
}

async function lookAt(terminal: Terminal): Promise<Look> {
  const remarks = new Remarks();
  const quiet = { stderr: remarks, exitCode: 0 };
  try {
    const seen = await readClusterStatus(findCluster(terminal.env));
    noteStrangers(quiet, seen.shards, seen.coordination);
    seen.inquiry.report(quiet);
    return { seen, remarks: remarks.lines };
  } catch (error) {
    return { seen: undefined, remarks: messageOf(error).split('\n') };
  }
}

/** Keeps what is noted in the place of stderr, where it would tear the screen apart. */
class Remarks extends Writable {
  readonly lines: string[] = [];

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.lines.push(...String(chunk).trimEnd().split('\n'));
    done();
  }
}

interface Screen {
  readonly stream: WriteStream;
  readonly log: ReturnType<typeof createLogUpdate>;
}

/** The terminal that stdout is; undefined when it is none, or one that cannot move its cursor. */
function findScreen({ stdout, env }: Terminal): Screen | undefined {
  if ((stdout as Partial<WriteStream>).isTTY !== true || env['TERM'] === 'dumb') return undefined;
  const stream = stdout as WriteStream;
  return { stream, log: createLogUpdate(stream) };
}

function showOn({ stream, log }: Screen): Show {
  return async (look) => {
    // A pseudo-terminal that nobody has given a size has the size 0.
    const [columns, rows] = [stream.columns || 80, stream.rows || 24];
    const title = `keymill status, ${new Date().toISOString().slice(11, 19)} UTC. Ctrl-C ends.`;
    // One row is for the cursor.
    const below = layOut(blocksOf(look), { columns, rows: Math.max(1, rows - 3) });
    log([title.slice(0, columns), '', ...below].join('\n'));
  };
}

/** For one screen: what is wrong comes first, where it is never cut off. */
function blocksOf({ seen, remarks }: Look): string[][] {
  const blocks = seen === undefined ? [] : statusBlocks(seen, Date.now()).map((block) => block.slice(0, -1));
  const isAlarm = (block: readonly string[]): boolean => block[0] === 'ALARMS';
  return [[...remarks], ...blocks.filter(isAlarm), ...blocks.filter((block) => !isAlarm(block))]
    .filter((block) => block.length > 0)
    .map((block) => block.map((line) => visible(line)));
}

function createPrinter(terminal: Terminal, isJson: boolean): Show {
  let before = '';
  return async ({ seen, remarks }) => {
    const text = remarks.join('\n');
    // Otherwise the same sentence comes every second.
    if (text !== before && text !== '') note(terminal, text);
    before = text;
    if (seen === undefined) return;
    const lines = statusBlocks(seen, Date.now()).flat();
    await printPaced(
      terminal,
      isJson
        ? `${JSON.stringify({ at: new Date().toISOString(), ...seen.status })}\n`
        : [`--- ${new Date().toISOString()}`, ...lines].map((line) => `${visible(line)}\n`).join(''),
    );
  };
}
