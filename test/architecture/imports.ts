import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** The repository's root. */
export const ROOT = join(import.meta.dirname, '../..');

export interface SourceFile {
  /** Path from the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Files of this repository that it imports, as paths from the root. */
  readonly imports: readonly string[];
  /** Packages that it imports, by package name; `node:` ones left out. */
  readonly packages: readonly string[];
}

const FOLDERS = ['runtime', 'coordinator', 'db', 'producer', 'mapper', 'scripts', 'drills', 'bench', 'test'];
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]/g;

/** Reads every TypeScript file of the product and what it imports. The compiler offers no API for this, so the text is scanned. */
export function readSources(): SourceFile[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readSource(join(folder, name))),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const specifiers = [...text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '').matchAll(IMPORT)].map(
    (match) => match[1] ?? '',
  );
  return {
    path,
    text,
    imports: specifiers
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => relative(ROOT, normalize(join(ROOT, dirname(path), specifier)))),
    packages: specifiers
      .filter((specifier) => /^[@a-z]/i.test(specifier) && !specifier.startsWith('node:'))
      .map((specifier) => /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[1] ?? specifier),
  };
}

/** `producer/worker.ts` → `producer`. */
export function folderOf(path: string): string {
  return path.split('/', 1)[0] ?? path;
}
