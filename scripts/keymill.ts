import { tolerateClosedOutput } from './cluster/progress.ts';
import { runProgram } from './operator/program.ts';

tolerateClosedOutput();

const exitCode = await runProgram(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  isInteractive: process.stderr.isTTY,
  exitCode: 0,
});
// A driver's forgotten handle must not keep a finished command alive; what was written leaves first.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);
