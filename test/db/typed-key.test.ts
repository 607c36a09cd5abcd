import { expect } from 'chai';
import * as fc from 'fast-check';
import { findTypedKey } from '../../db/keyspace/typed-key.ts';

describe('a key with the text around it', () => {
  const ENDINGS = [
    '/ . , ) ! ; \' " > ] } * : | \\ @ ` ~ # … ” ’ » 。 ） 、 // /. ). ."> .) ?! %',
    '%20 %C2%A0 %E2%80%8B %e2%80%8b %EF%BB%BF %A0 %0D%0A %09 %22%3E %2F %2f. .%20 %00 %% %ff',
  ].flatMap((line) => line.split(' '));
  ENDINGS.push('\u00a0', '\u200b', '\ufeff', 'Â\u00a0', 'を');

  for (const ending of ENDINGS) {
    it(`is found before ${JSON.stringify(ending)}`, () => {
      expect(findTypedKey(`OLq5DC1_${ending}`)).to.equal('OLq5DC1_');
    });
  }

  it('is found when its own characters are percent-encoded', () => {
    expect(findTypedKey('%4FLq5DC1%5f%29')).to.equal('OLq5DC1_');
  });

  const NONE: readonly string[] = [
    '',
    '/',
    'ab.',
    'OLq5DC1_',
    '-key',
    '.OLq5DC1_',
    ' OLq5DC1_',
    'OLq5DC1_/x',
    'OLq5DC1_.html',
    'OLq5DC1_%zz',
    'OLq5DC1_&nbsp',
    'OLq5DC1_;a=b',
    'OLq5DC1_+',
    'OLq5DC1_+.',
    'OLq5DC1_%2B',
    'OLq5DC1_ ünd',
    `${'a'.repeat(65)}.`,
    '%E2%80%8BOLq5DC1_',
  ];
  for (const text of NONE) {
    it(`is not found in ${JSON.stringify(text)}`, () => expect(findTypedKey(text)).to.equal(undefined));
  }

  it('is found quickly, in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const key = findTypedKey(text);
        if (key !== undefined) expect(key).to.match(/^[A-Za-z0-9_-]{3,64}$/);
      }),
    );
    expect(findTypedKey(`abc${'.'.repeat(16_000)}x`)).to.equal(undefined);
  });

  it('is found in a text of up to 256 characters, encoded or not', () => {
    for (const [character, count] of [
      ['.', 253],
      ['%E2%80%8B', 28],
    ] as const) {
      expect(findTypedKey(`abc${character.repeat(count)}`)).to.equal('abc');
      expect(findTypedKey(`abc${character.repeat(count + 1)}`)).to.equal(undefined);
    }
  });
});
