import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { REASONS } from '../../../mapper/import/reasons.ts';

describe('the reasons of an import', () => {
  it('stand in docs/import.md, each with the same words', () => {
    const page = readFileSync(`${import.meta.dirname}/../../../docs/import.md`, 'utf8');
    const rows = Array.from(page.matchAll(/^\| `(\S+)` \| (.+) \|$/gm), ([, reason, when]) => [reason, when]);
    expect(rows).to.deep.equal(Object.entries(REASONS));
  });
});
