import { expect } from 'chai';
import { DRILLS } from '../../drills/catalogue.ts';
import { readReports, readSections } from '../../drills/figures.ts';
import { drillSections } from '../../drills/page.ts';

describe('docs/drills.md', () => {
  const sections = readSections();

  it('is made from the catalogue and docs/figures/drills.json (run ./scripts/keymill drill --figures)', () => {
    expect(sections).to.equal(drillSections(DRILLS, readReports()));
  });

  it('has a section for every drill, also for one without a recorded run', () => {
    const headings = [...sections.matchAll(/^### `(.+)`$/gm)].map(([, name]) => name);
    expect(headings).to.deep.equal(DRILLS.map(({ name }) => name));
    expect(drillSections(DRILLS, [])).to.include('none is recorded');
  });

  it('shows reports of existing drills only, without paths of the machine that ran them', () => {
    const names = DRILLS.map(({ name }) => name);
    for (const { name, historyFile } of readReports()) {
      expect(names).to.include(name);
      expect(historyFile).to.not.include('/');
    }
  });
});
