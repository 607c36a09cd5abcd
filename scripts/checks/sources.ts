import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';

/** A TypeScript file and what it imports. */
export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Files of this repository that it imports, types included, as paths from the root. */
  readonly imports: readonly string[];
  /** Those that Node loads together with it: neither types alone, nor what is imported when needed. */
  readonly loads: readonly string[];
  /** Packages that it imports; `node:` modules are left out. */
  readonly packages: readonly string[];
}

const IGNORED = /^(?:node_modules|\.[^/]+)(?:\/|$)/;
/** `import { type A } from` is one too: Node takes only the names away. */
const LOAD = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s*)?['"]([^'"]+)['"]/gm;
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]/g;

/**
 * Reads every TypeScript file below `root`, tests included. The compiler offers no API for imports, so the
 * text is scanned.
 */
export function readSources(root: string): SourceFile[] {
  return filesBelow(root)
    .toSorted()
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

/** The folders of clusters that run now are not even looked into: they change, and link back to `root`. */
function filesBelow(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (IGNORED.test(path)) return [];
    if (entry.isDirectory()) return filesBelow(root, path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

/** What the file `path` with this text imports. Pure. */
export function parseSource(path: string, text: string): SourceFile {
  const code = withoutComments(text);
  const specifiersOf = (pattern: RegExp): string[] =>
    [...code.matchAll(pattern)].map((match) => match[1] ?? '');
  const filesOf = (specifiers: readonly string[]): string[] =>
    specifiers
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => normalize(join(dirname(path), specifier)));
  const specifiers = specifiersOf(IMPORT);
  return {
    path,
    text,
    imports: filesOf(specifiers),
    loads: filesOf(specifiersOf(LOAD)),
    packages: specifiers
      .filter((specifier) => /^[@a-z]/i.test(specifier) && !specifier.startsWith('node:'))
      .map((specifier) => /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[1] ?? specifier),
  };
}

/** The text without block comments and without lines that are only a comment. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

/** `producer/worker.ts` → `producer`. */
export function folderOf(path: string): string {
  return path.split('/', 1)[0] ?? path;
}

/**
 * The room of a file inside a top-level folder: its sub-folder, or its own name where it lies directly in the
 * folder. `mapper/keys/reserve.ts` → `keys`, `mapper/main.ts` → `main`.
 */
export function roomOf(path: string): string {
  return (path.split('/', 2)[1] ?? '').replace(/\.ts$/, '');
}
