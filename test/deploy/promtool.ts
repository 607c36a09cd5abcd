import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

/** Where the launcher of the tests puts it when it is not installed. */
const UNPACKED = join(REPOSITORY, '.run/prometheus/usr/bin');

/** Runs `promtool` with a YAML document as its last argument. @returns its exit code and all that it says */
export function runPromtool(
  args: readonly string[],
  document: unknown,
): { status: number | null; text: string } {
  const folder = mkdtempSync(join(tmpdir(), 'keymill-promtool-'));
  try {
    const file = join(folder, 'document.yml');
    writeFileSync(file, stringify(document));
    const { status, stdout, stderr, error } = spawnSync('promtool', [...args, file], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env['PATH']}:${UNPACKED}` },
    });
    if (error !== undefined)
      throw new Error('promtool is missing: ./scripts/test unpacks it', { cause: error });
    return { status, text: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
