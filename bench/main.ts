import { createProgram, runCommandLine } from '../runtime/terminal/command-line.ts';
import { runOnTerminal } from '../runtime/terminal/process-terminal.ts';
import { addBenchCommand } from './command.ts';

await runOnTerminal(process.env, async (terminal) => {
  const program = createProgram(terminal);
  addBenchCommand(program, terminal);
  return runCommandLine(program, process.argv.slice(2), terminal);
});
