import { messageOf } from '../runtime/errors.ts';
import { ProgressLog } from './cluster/progress-log.ts';
import { openEngine } from './containers/engine.ts';
import { abortedByStopSignals } from './containers/stop-signals.ts';
import { ensureImages } from './containers/stand-ins.ts';

/** Makes what is missing of the public images, on the engine that answers or on our own. */
const progress = new ProgressLog();
const signal = abortedByStopSignals();
const report = (what: string): void => progress.line(what);
try {
  const engine = await openEngine(report);
  try {
    await ensureImages(engine.docker, report, undefined, signal);
    progress.line(`every image is there, on ${engine.docker.host}`);
  } finally {
    await engine.release();
  }
} catch (error) {
  process.stderr.write(`keymill: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
