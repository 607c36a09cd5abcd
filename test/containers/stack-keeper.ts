import { openEngine } from '../../scripts/containers/engine.ts';
import { buildImage } from '../../scripts/containers/image.ts';
import { ensureImages } from '../../scripts/containers/stand-ins.ts';
import { OneNodeSwarm } from './one-node-swarm.ts';

/*
 * Keeps a swarm of one node for a test. When its stdin closes, because the test has ended or was killed, it
 * removes the stack of the test, and dissolves the swarm if it made it. Its first line is the engine's
 * address.
 */

const report = (what: string): void => void process.stderr.write(`  ${what}\n`);
const [stack = '', ...labels] = process.argv.slice(2);

const engine = await openEngine(report);
try {
  await ensureImages(engine.docker, { report });
  await buildImage(engine.docker);
  const swarm = await OneNodeSwarm.open(engine.docker, labels);
  try {
    process.stdout.write(`${engine.docker.host}\n`);
    process.stdin.resume();
    await new Promise((resolve) => process.stdin.once('close', resolve));
  } finally {
    await swarm.removeStack(stack);
    await swarm.close();
  }
} finally {
  await engine.release();
}
