import { createProgram, runCommandLine } from '../runtime/terminal/command-line.ts';
import { runOnTerminal } from '../runtime/terminal/process-terminal.ts';
import { addDrillCommand } from './command.ts';

await runOnTerminal(process.env, async (terminal) => {
  const program = createProgram(terminal);
  addDrillCommand(program, terminal);
  return runCommandLine(program, process.argv.slice(2), terminal);
});
