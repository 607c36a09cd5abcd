import { messageOf } from '../runtime/errors.ts';
import { ProgressLog } from './cluster/progress-log.ts';
import { openEngine } from './containers/engine.ts';
import { ensureImages } from './containers/stand-ins.ts';
import { abortedByStopSignals } from './containers/stop-signals.ts';

const USAGE = `Usage: ./scripts/stand-ins

Ensures that the Docker engine has every public image that we use. It pulls the
missing ones; where no registry answers, it makes them from Debian's packages.
Without a running engine it starts one. More: deploy/stand-ins/README.md
`;

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    const isHelp = args.every((arg) => arg === '--help' || arg === '-h');
    (isHelp ? process.stdout : process.stderr).write(USAGE);
    return isHelp ? 0 : 2;
  }
  const progress = new ProgressLog();
  const signal = abortedByStopSignals();
  const report = (what: string): void => progress.line(what);
  try {
    const engine = await openEngine(report);
    try {
      await ensureImages(engine.docker, { report, signal });
      progress.line(`all images are ready on ${engine.docker.host}`);
    } finally {
      await engine.release();
    }
    return 0;
  } catch (error) {
    process.stderr.write(`keymill: ${messageOf(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
