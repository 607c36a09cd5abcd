import { expect } from 'chai';
import { DRILLS } from '../../drills/catalogue.ts';
import { figuresTable, readReports, readTable } from '../../drills/figures.ts';

describe('the figures in docs/reliability.md', () => {
  it('are those of docs/drills.json (mended by ./scripts/keymill drill --figures)', () => {
    expect(readTable()).to.equal(figuresTable(readReports()));
  });

  it('name drills that there are, and no path of the machine they were measured on', () => {
    const names = DRILLS.map(({ name }) => name);
    for (const { name, historyFile } of readReports()) {
      expect(names).to.include(name);
      expect(historyFile).to.not.include('/');
    }
  });
});
