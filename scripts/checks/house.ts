import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countArrows, countFloors, findCircles, graphOf } from './graph.ts';
import { folderOf, readSources, roomOf, type SourceFile } from './sources.ts';

/** The structure of one top-level folder. */
export interface FolderFigures {
  readonly files: number;
  readonly lines: number;
  /** These three are about the imports between its files. */
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

/** The figures of a checkout: its structure, and its longest file, function, comment and table row. */
export interface HouseFigures {
  readonly folders: Readonly<Record<string, FolderFigures>>;
  /** In lines. These two leave tests out. */
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
    longestComment: longest(sources.flatMap(commentsOf)),
    longestTableRow: longest(readPages(root).flatMap(tableRowsOf)),
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

/** The functions and methods of a file in prettier's format: each ends where its indentation closes. */
export function functionsOf({ path, text }: Pick<SourceFile, 'path' | 'text'>): Longest[] {
  const lines = linesOf(text);
  return lines.flatMap((line, start) => {
    const indent =
      /^( {0,2})(?:export |async |function\b|static |override |get |set |(?:#?\w+(?:<.*>)?\())/.exec(
        line,
      )?.[1];
    if (indent === undefined || /^\s*(?:if|for|while|switch|return|throw)\b/.test(line)) return [];
    const isFunction = /\bfunction\b|=>/.test(line) || (indent === '  ' && /\(/.test(line));
    if (!isFunction) return [];
    const length = lines.slice(start).findIndex((later) => later === `${indent}}` || later === `${indent}};`);
    return length > 0 ? [{ where: `${path}:${start + 1}`, length: length + 1 }] : [];
  });
}

/** The lines of a file that are comments, with their widths. */
export function commentsOf({ path, text }: Pick<SourceFile, 'path' | 'text'>): Longest[] {
  let isInside = false;
  return linesOf(text).flatMap((line, index) => {
    const isComment = isInside || /^\s*(?:\/\/|\/\*)/.test(line);
    if (/^\s*\/\*/.test(line)) isInside = true;
    if (line.includes('*/')) isInside = false;
    return isComment ? [{ where: `${path}:${index + 1}`, length: line.length }] : [];
  });
}

/** The rows of a page's tables, with their widths. */
export function tableRowsOf({ path, text }: Pick<SourceFile, 'path' | 'text'>): Longest[] {
  return linesOf(text).flatMap((line, index) =>
    /^\s*\|/.test(line) ? [{ where: `${path}:${index + 1}`, length: line.length }] : [],
  );
}

/** Reads every Markdown page below `root`. */
export function readPages(root: string): { readonly path: string; readonly text: string }[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !/^(?:node_modules|\.[^/]+)(?:\/|$)/.test(path))
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
