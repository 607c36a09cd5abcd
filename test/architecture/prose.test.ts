import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY as ROOT } from '../../scripts/cluster/run-dir.ts';

const MAX_COLUMNS = 110;

/** Every Markdown file of the repository; folders that begin with a dot hold none of its own. */
function markdownFiles(folder = ''): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return [];
    if (entry.isDirectory()) return markdownFiles(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** Rows of tables that are wider than allowed, as `line: columns`. Code blocks are not tables. */
function wideRows(text: string): string[] {
  let isCode = false;
  return text.split('\n').flatMap((line, index) => {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode;
    const isRow = !isCode && /^[\s>]*\|/.test(line);
    return isRow && line.length > MAX_COLUMNS ? [`${index + 1}: ${line.length} columns`] : [];
  });
}

describe('the Markdown pages', () => {
  const pages = markdownFiles().map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

  it('are all read', () => {
    expect(pages).to.have.length.above(25);
    expect(pages.map(({ path }) => path)).to.include.members([
      'README.md',
      'docs/architecture.md',
      'test/model/README.md',
    ]);
  });

  it(`have no table wider than ${MAX_COLUMNS} columns`, () => {
    expect(pages.flatMap(({ path, text }) => wideRows(text).map((row) => `${path}:${row}`))).to.deep.equal(
      [],
    );
  });

  it('are checked by a rule that finds a wide row, and only a row', () => {
    const wide = `| ${'x'.repeat(MAX_COLUMNS)} |`;
    expect(wideRows(`a\n${wide}\n  ${wide}\n> ${wide}`)).to.have.length(3);
    expect(wideRows(`${'x'.repeat(200)}\n\`\`\`\n${wide}\n\`\`\`\n| x |`)).to.deep.equal([]);
  });
});
