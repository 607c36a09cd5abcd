import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

const BENCH_DIR = join(REPOSITORY, '.run-bench');

/** Folders of benches, and processes that name one of them on their command line. */
function tracesOfBenches(): string[] {
  const folders = existsSync(BENCH_DIR) ? readdirSync(BENCH_DIR) : [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return [...folders, ...pids.filter((pid) => commandOf(pid).includes(BENCH_DIR))];
}

/** @returns what `work` left behind: names of folders, and process ids */
export async function leftoversOf(work: () => Promise<void>): Promise<string[]> {
  const before = new Set(tracesOfBenches());
  await work();
  return tracesOfBenches().filter((trace) => !before.has(trace));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
