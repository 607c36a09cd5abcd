import { setTimeout as delay } from 'node:timers/promises';
import type { Docker } from '../../scripts/containers/docker.ts';
import { openEngine } from '../../scripts/containers/engine.ts';
import { ensureImages } from '../../scripts/containers/stand-ins.ts';
import { findStartTime } from '../../scripts/servers/identity.ts';
import { RUN_LABEL } from './run-label.ts';

/*
 * Keeps an engine open for a test run. When its stdin closes, because the run has ended or was killed, it
 * removes everything that the run made. Its first line is the engine's address.
 */

const report = (what: string): void => void process.stderr.write(`  ${what}\n`);
const [run = ''] = process.argv.slice(2);

const engine = await openEngine(report);
try {
  await removeWhere(engine.docker, (label) => label !== run && isOver(label));
  await ensureImages(engine.docker, { report, only: ['zookeeper', 'redis', 'mariadb'] });
  process.stdout.write(`${engine.docker.host}\n`);
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('close', resolve));
  await removeWhere(engine.docker, (label) => label === run);
  // Containers that the engine was still creating when the run was killed.
  if (isOver(run)) await delay(1_000);
  await removeWhere(engine.docker, (label) => label === run);
} finally {
  await engine.release();
}

/** A run is identified by its process. */
function isOver(label: string): boolean {
  return findStartTime(Number.parseInt(label, 10)) === undefined;
}

async function removeWhere(docker: Docker, isWanted: (label: string) => boolean): Promise<void> {
  const labelled = async (...listing: string[]): Promise<string[]> => {
    const format = `{{.ID}} {{.Label "${RUN_LABEL}"}}`;
    const lines = await docker.lines([...listing, `--filter=label=${RUN_LABEL}`, `--format=${format}`]);
    return lines
      .map((line) => line.split(' '))
      .flatMap(([id = '', label = '']) => (isWanted(label) ? [id] : []));
  };
  const containers = await labelled('ps', '--all', '--no-trunc');
  if (containers.length > 0) await docker.try(['rm', '--force', '--volumes', ...containers]);
  const networks = await labelled('network', 'ls', '--no-trunc');
  if (networks.length > 0) await docker.try(['network', 'rm', ...networks]);
}
