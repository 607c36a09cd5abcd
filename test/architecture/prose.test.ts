import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { commentsOf, readPages, tableRowsOf, type Longest } from '../../scripts/checks/house.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

const MAX_COLUMNS = 110;

/** The lines that are too wide, as `path:line: columns`. */
function wide(lines: readonly Longest[]): string[] {
  return lines
    .filter(({ length }) => length > MAX_COLUMNS)
    .map(({ where, length }) => `${where}: ${length} columns`);
}

/** Words in code that look like paths of this repository and mean something else. */
const NO_PATHS: ReadonlySet<string> = new Set(['deploy/keymill-mapper']);

/**
 * Paths of this repository that a page names: words in code that begin with one of these folders, and the
 * targets of links.
 */
function namedPaths(page: string, text: string, folders: ReadonlySet<string>): string[] {
  const code = [...text.matchAll(/^ *```[^]*?^ *```|`[^`]+`/gm)].map(([span]) => span).join('\n');
  const words = [...code.matchAll(/(?<![\w./:-])(?:\.\/)?([\w.-]+)\/[\w./-]*\w\/?(?![\w*<{/-])/g)]
    .filter(([path, folder = '']) => folders.has(folder) && !NO_PATHS.has(path))
    .map(([path]) => path);
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = '']) =>
    join(dirname(page), target),
  );
  return [...words, ...links];
}

/** Whether the repository has this file or folder. The ending `.ts` may be left out. */
function isHere(path: string): boolean {
  return existsSync(join(REPOSITORY, path)) || existsSync(join(REPOSITORY, `${path}.ts`));
}

describe('the prose of the repository', () => {
  it(`has no comment wider than ${MAX_COLUMNS} columns`, () => {
    const files = readPages(REPOSITORY, /./);
    const comments = files.flatMap(commentsOf);
    expect(comments).to.have.length.above(4_000);
    for (const kind of ['.ts:', '.lua:', '.pml:', '.sh:', 'scripts/up:', '.yml:', 'Dockerfile:'])
      expect(
        comments.some(({ where }) => where.includes(kind)),
        kind,
      ).to.equal(true);
    expect(wide(comments)).to.deep.equal([]);
  });

  it('notices a wide comment, in a block too', () => {
    const long = 'x'.repeat(MAX_COLUMNS);
    expect(
      wide(commentsOf({ path: 'a.ts', text: `// ${long}\n/**\n * ${long}\n */\nconst a = '${long}';` })),
    ).to.have.length(2);
    expect(
      wide(commentsOf({ path: 'a.lua', text: `--[[\n${long} ${long}\n]]\nlocal a\n-- ${long}` })),
    ).to.have.length(2);
    expect(
      wide(commentsOf({ path: 'a.sh', text: `#!/bin/sh ${long}\n# ${long}\necho ${long}` })),
    ).to.have.length(1);
  });

  it(`has no table wider than ${MAX_COLUMNS} columns`, () => {
    const pages = readPages(REPOSITORY, /\.md$/);
    expect(pages).to.have.length.above(25);
    expect(wide(pages.flatMap(tableRowsOf))).to.deep.equal([]);
  });

  it('notices a wide row of a table, and only a row', () => {
    const row = `| ${'x'.repeat(MAX_COLUMNS)} |`;
    expect(wide(tableRowsOf({ path: 'a.md', text: `a\n${row}\n  ${row}\n> ${row}` }))).to.have.length(3);
    const text = `${'x'.repeat(200)}\n\`\`\`\n${row}\n\`\`\`\n| x |`;
    expect(wide(tableRowsOf({ path: 'a.md', text }))).to.deep.equal([]);
  });

  it('names only files and folders that exist', () => {
    const folders = new Set(
      readdirSync(REPOSITORY, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name))
        .map(({ name }) => name),
    );
    const pages = readPages(REPOSITORY, /\.md$/);
    const named = pages.flatMap(({ path, text }) =>
      namedPaths(path, text, folders).map((name) => ({ path, name })),
    );
    expect(named).to.have.length.above(200);
    expect(named.filter(({ name }) => !isHere(name))).to.deep.equal([]);

    const missing = (text: string): string[] =>
      namedPaths('docs/a.md', text, folders).filter((path) => !isHere(path));
    const stale = 'Run `./scripts/gone --all` or see [it](gone.md), `db/gone/` and `db/gone.ts:read`.';
    expect(missing(stale)).to.deep.equal(['./scripts/gone', 'db/gone/', 'db/gone.ts', 'docs/gone.md']);
    expect(missing('```sh\n./scripts/gone\n```\n')).to.deep.equal(['./scripts/gone']);
    const sound =
      '`./scripts/up`, `runtime/log`, `db/schema/`, `db/migrations/<kind>/`, db/gone, [it](bugs.md)';
    expect(missing(sound)).to.deep.equal([]);
  });
});
