import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The table in README.md that names the function behind each step of the model. */

const ROOT = join(import.meta.dirname, '../..');
const README = 'test/model/README.md';
const MODEL_FILES = ['hand-off.pml', 'stores.pml'] as const;

const ROW = /^\| `(\w+)` +\| `([^`]+)` +\| (\S+) +\|$/gm;
/** A step is an inline of its own, or begins with a comment that names it. */
const STEP = /^inline (\w+)\(|^\s*\/\* Step (\w+)/;

export interface ModelledStep {
  readonly step: string;
  /** `producer/reign.ts:#finish`, or a Lua script. */
  readonly code: string;
  /** `hand-off.pml:88` */
  readonly line: string;
}

export function readFile(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function readReadme(): string {
  return readFile(README);
}

export function stepsOf(readme: string): ModelledStep[] {
  return [...readme.matchAll(ROW)].map(([, step = '', code = '', line = '']) => ({ step, code, line }));
}

/** The line on which each step begins. A step that only a comment names must be in the table. */
export function linesOfSteps(
  read: (file: string) => string = (file) => readFile(`test/model/${file}`),
): Map<string, { line: string; isInline: boolean }> {
  const steps = MODEL_FILES.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((text, index) => {
        const [, inline, named] = STEP.exec(text) ?? [];
        const step = inline ?? named;
        const line = `${file}:${index + 1}`;
        return step === undefined ? [] : [[step, { line, isInline: inline !== undefined }] as const];
      }),
  );
  return new Map(steps);
}

/** Why the code of a step does not exist; undefined if it does. */
export function faultOf(code: string, read: (file: string) => string = readFile): string | undefined {
  const [file = '', name] = code.split(':');
  let text: string;
  try {
    text = read(file);
  } catch {
    return `${file} does not exist`;
  }
  if (name === undefined) return file.endsWith('.lua') ? undefined : `${code} names no function`;
  const escaped = name.replace('$', '\\$');
  const declaration = new RegExp(
    `^\\s*(?:export )?(?:async )?(?:function )?${escaped}(?:<.*>)?\\((?:.*[({[,])?$`,
    'm',
  );
  return declaration.test(text) ? undefined : `${file} has no ${name}`;
}
