import { runOnTerminal } from '../runtime/terminal/process-terminal.ts';
import { runProgram } from './operator/program.ts';

await runOnTerminal(process.env, async (terminal) => runProgram(process.argv.slice(2), terminal));
