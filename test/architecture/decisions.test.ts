import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY as ROOT } from '../../scripts/cluster/run-dir.ts';

const FOLDER = join(ROOT, 'docs/decisions');
const SECTIONS = ['Context', 'Decision', 'Consequences', 'Measured'];

describe('docs/decisions', () => {
  const files = readdirSync(FOLDER).filter((name) => name !== 'README.md');
  const index = readFileSync(join(FOLDER, 'README.md'), 'utf8');

  it('are numbered without a gap, and the index links to each', () => {
    expect(files).to.have.length.above(15);
    const expected = files.map((_, position) => String(position + 1).padStart(4, '0'));
    expect(files.toSorted().map((name) => name.slice(0, 4))).to.deep.equal(expected);
    expect(files.filter((name) => !index.includes(`(${name})`))).to.deep.equal([]);
  });

  for (const name of files) {
    it(`${name} has the form that CONTRIBUTING states`, () => {
      const text = readFileSync(join(FOLDER, name), 'utf8');
      const number = Number(name.slice(0, 4));
      expect(text).to.match(
        new RegExp(`^# ${number}\\. \\S[^\\n]+\\n\\nStatus: [a-z0-9 ]+, \\d{4}-\\d\\d-\\d\\d\\.\\n`),
      );
      const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
      const isMeasured = sections.includes('Measured');
      expect(sections).to.deep.equal(isMeasured ? SECTIONS : SECTIONS.slice(0, 3));
    });
  }
});
