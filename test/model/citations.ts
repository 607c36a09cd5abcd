import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
export const MODEL_FILES = ['test/model/hand-off.pml', 'test/model/stores.pml'] as const;
const CITATION = /\b(?:coordinator|db|producer)\/[\w/-]+\.(?:ts(?::#?\w+)?|lua)/g;

/** Every "file:function" or script that the model names, once. */
export function citationsOf(text: string): string[] {
  return [...new Set(text.match(CITATION))];
}

/**
 * What is wrong with a citation: nothing of that name, or a comment that does not name the model; undefined
 * if all is well.
 */
export function faultOf(citation: string, read: (file: string) => string = readSource): string | undefined {
  const [file = '', name] = citation.split(':');
  let text: string;
  try {
    text = read(file);
  } catch {
    return `${file} does not exist`;
  }
  if (name === undefined) {
    if (file.endsWith('.lua'))
      return namesModel(text.slice(0, text.indexOf(']]'))) ? undefined : `${file} does not name the model`;
    return `${citation} names no function`;
  }
  const lines = text.split('\n');
  const escaped = name.replace('$', '\\$');
  const declaration = new RegExp(
    `^\\s*(?:export )?(?:async )?(?:function )?${escaped}(?:<.*>)?\\((?:.*[({[,])?$`,
  );
  const at = lines.findIndex((line) => declaration.test(line));
  if (at < 0) return `${file} has no ${name}`;
  const before = lines.slice(0, at).join('\n');
  const comment = before.trimEnd().endsWith('*/') ? before.slice(before.lastIndexOf('/*')) : '';
  return namesModel(comment) ? undefined : `the comment of ${name} in ${file} does not name the model`;
}

function namesModel(comment: string): boolean {
  return comment.includes('test/model/hand-off.pml');
}

export function readSource(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}
