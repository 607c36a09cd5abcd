import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { countArrows, countFloors, findCircles, graphOf } from './graph.ts';
import { folderOf, readSources, roomOf, type SourceFile } from './sources.ts';

/** The structure of one top-level folder. */
export interface FolderFigures {
  readonly files: number;
  readonly lines: number;
  /** Between its files. */
  readonly floors: number;
  readonly arrows: number;
  readonly circles: number;
  /** Its sub-folders, and the files that lie directly in it. */
  readonly rooms: {
    readonly count: number;
    readonly floors: number;
    readonly arrows: number;
    readonly circles: number;
  };
}

export interface Longest {
  readonly where: string;
  readonly length: number;
}

/** The figures of a checkout: its structure, and the longest of what a reader meets. */
export interface HouseFigures {
  readonly folders: Readonly<Record<string, FolderFigures>>;
  /** In lines; tests are left out of these two. */
  readonly longestFile: Longest;
  readonly longestFunction: Longest;
  /** In columns. */
  readonly longestComment: Longest;
  readonly longestTableRow: Longest;
}

/** Measures the checkout in `root`. */
export function measureHouse(root: string): HouseFigures {
  const sources = readSources(root);
  const product = sources.filter(({ path }) => folderOf(path) !== 'test');
  const folders = [...Map.groupBy(product, ({ path }) => folderOf(path))];
  return {
    folders: Object.fromEntries(folders.map(([folder, files]) => [folder, measureFolder(files)])),
    longestFile: longest(product.map(({ path, text }) => ({ where: path, length: linesOf(text).length }))),
    longestFunction: longest(product.flatMap(functionsOf)),
    longestComment: longest(readPages(root, /./).flatMap(commentsOf)),
    longestTableRow: longest(readPages(root, /\.md$/).flatMap(tableRowsOf)),
  };
}

function measureFolder(files: readonly SourceFile[]): FolderFigures {
  const graph = graphOf(files);
  const rooms = graphOf(files, roomOf);
  return {
    files: files.length,
    lines: files.reduce((sum, { text }) => sum + linesOf(text).length, 0),
    floors: countFloors(graph),
    arrows: countArrows(graph),
    circles: findCircles(graph).length,
    rooms: {
      count: rooms.size,
      floors: countFloors(rooms),
      arrows: countArrows(rooms),
      circles: findCircles(rooms).length,
    },
  };
}

/**
 * The functions and methods of a file that prettier has formatted: each ends where its indentation closes.
 */
export function functionsOf({ path, text }: Page): Longest[] {
  const lines = linesOf(text);
  return lines.flatMap((line, start) => {
    const indent =
      /^( {0,2})(?:export |async |function\b|static |override |get |set |(?:#?\w+(?:<.*>)?\())/.exec(
        line,
      )?.[1];
    const isStatement = /^\s*(?:if|for|while|switch|return|throw)\b/.test(line);
    // A signature without a body ends in a semicolon.
    if (indent === undefined || isStatement || !/[({]$/.test(line)) return [];
    const isFunction = /\bfunction\b|=>/.test(line) || (indent === '  ' && /\(/.test(line));
    if (!isFunction) return [];
    const length = lines.slice(start).findIndex((later) => later === `${indent}}` || later === `${indent}};`);
    return length > 0 ? [{ where: `${path}:${start + 1}`, length: length + 1 }] : [];
  });
}

/**
 * How comments look in the languages of the repository: of a line, and from the first to the last line of a
 * block.
 */
const COMMENTS: readonly { files: RegExp; line: RegExp; opens?: RegExp; closes?: RegExp }[] = [
  { files: /\.(?:ts|mjs|pml)$/, line: /^\s*(?:\/\/|\/\*)/, opens: /^\s*\/\*/, closes: /\*\// },
  { files: /\.lua$/, line: /^\s*--/, opens: /^\s*--\[\[/, closes: /\]\]/ },
  { files: /(?:\.(?:sh|ya?ml)|Dockerfile|scripts\/\w+|\.env\.example|\.ci\/run)$/, line: /^\s*#(?!!)/ },
];

/** The lines of a file that are comments, with their widths. Empty for a language without comments. */
export function commentsOf({ path, text }: Page): Longest[] {
  const language = COMMENTS.find(({ files }) => files.test(path));
  if (language === undefined) return [];
  const { line: isLine, opens, closes } = language;
  let isInside = false;
  return linesOf(text).flatMap((line, index) => {
    const isComment = isInside || isLine.test(line);
    if (opens?.test(line) === true) isInside = true;
    if (closes?.test(line) === true) isInside = false;
    return isComment ? [{ where: `${path}:${index + 1}`, length: line.length }] : [];
  });
}

/** The rows of a Markdown page's tables, with their widths. Code blocks contain none. */
export function tableRowsOf({ path, text }: Page): Longest[] {
  let isCode = false;
  return linesOf(text).flatMap((line, index) => {
    if (/^\s*(?:```|~~~)/.test(line)) isCode = !isCode;
    const isRow = !isCode && /^[\s>]*\|/.test(line);
    return isRow ? [{ where: `${path}:${index + 1}`, length: line.length }] : [];
  });
}

/** A text file of the repository. */
export interface Page {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Reads every file below `root` whose path matches, without modules, run folders and git's own. */
export function readPages(root: string, wanted: RegExp): Page[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => wanted.test(path) && !/^(?:node_modules|\.git|\.run[^/]*)\//.test(path))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

function longest(candidates: readonly Longest[]): Longest {
  return candidates.reduce((most, next) => (next.length > most.length ? next : most), {
    where: '',
    length: 0,
  });
}

// `node scripts/checks/house.ts [FOLDER]`: the figures of a checkout as JSON.
if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(measureHouse(process.argv[2] ?? '.'), null, 2)}\n`);
}
