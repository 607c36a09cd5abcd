import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { DRILLS } from '../../drills/catalogue.ts';
import { REPOSITORY as ROOT } from '../../scripts/cluster/run-dir.ts';

const PARTS = ['Seen', 'Cause', 'Mended', 'Held by'];

interface Bug {
  readonly title: string;
  readonly text: string;
}

/** The bugs of the page, with line breaks within a paragraph removed. */
function readBugs(): Bug[] {
  const page = readFileSync(join(ROOT, 'docs/bugs.md'), 'utf8');
  return page
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...lines] = (section.split(/^## /m)[0] ?? '').split('\n');
      return { title, text: lines.join('\n').replaceAll(/\n +/g, ' ') };
    });
}

/** Why a command of the page would run no test; undefined if it runs one. */
function faultOf(file: string, pattern: string | undefined): string | undefined {
  if (!existsSync(join(ROOT, file))) return `${file} does not exist`;
  if (pattern === undefined) return undefined;
  const titles = [...readFileSync(join(ROOT, file), 'utf8').matchAll(/\b(?:it|describe)\(\s*(.+)/g)];
  return titles.some(([, title]) => title?.includes(pattern)) ? undefined : `${file} has no "${pattern}"`;
}

describe('docs/bugs.md', () => {
  const bugs = readBugs();

  it('says of every bug how it was seen, its cause, its mending, and what holds it', () => {
    expect(bugs).to.have.length.above(30);
    for (const { title, text } of bugs) {
      const parts = [...text.matchAll(/^- \*\*(.+?)\*\*: \S/gm)].map(([, part]) => part);
      expect(parts, title).to.deep.equal(PARTS);
    }
  });

  it('names tests and drills that exist', () => {
    const commands = bugs.flatMap(({ text }) => [...text.matchAll(/`npx mocha (\S+?)(?: -g "(.+?)")?`/g)]);
    expect(commands).to.have.length.above(25);
    expect(commands.flatMap(([, file = '', pattern]) => faultOf(file, pattern) ?? [])).to.deep.equal([]);
    const drills = new Set(DRILLS.map(({ name }) => name));
    const named = bugs.flatMap(({ text }) => [...text.matchAll(/\bdrill `([\w-]+)`/g)]);
    expect(named).to.have.length.above(3);
    expect(named.flatMap(([, name = '']) => (drills.has(name) ? [] : [name]))).to.deep.equal([]);
  });

  it('would notice a test that is gone', () => {
    expect(faultOf('test/gone.test.ts', undefined)).to.equal('test/gone.test.ts does not exist');
    const file = 'test/architecture/bugs-page.test.ts';
    expect(faultOf(file, 'would notice')).to.equal(undefined);
    expect(faultOf(file, ['would', 'miss'].join(' '))).to.equal(`${file} has no "would miss"`);
  });
});
