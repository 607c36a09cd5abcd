import { expect } from 'chai';
import { judgeSchema } from '../../db/mysql/schema-version.ts';

const KNOWN = ['001-keys', '002-more', '003-compatibility'];

describe('the version of a schema', () => {
  for (const [recorded, compatibleFrom, verdict] of [
    [KNOWN, undefined, 'same'],
    [KNOWN, 9, 'same'],
    [[], undefined, 'older'],
    [KNOWN.slice(0, 2), 1, 'older'],
    [[...KNOWN, '004-added'], 3, 'compatible'],
    [[...KNOWN, '004-added', '005-added'], 2, 'compatible'],
    [[...KNOWN, '004-removed'], 4, 'too new'],
    [[...KNOWN, '004-added'], undefined, 'too new'],
    // Another line of development: this program's last migration was never applied.
    [['001-keys', '002-more', '004-added'], 1, 'too new'],
  ] as const) {
    const says = compatibleFrom === undefined ? 'says nothing' : `allows programs from ${compatibleFrom}`;
    it(`is ${verdict}: ${recorded.join(', ') || 'empty'}, and it ${says}`, () => {
      expect(judgeSchema(recorded, KNOWN, compatibleFrom)).to.have.property('verdict', verdict);
    });
  }
});
