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
});
