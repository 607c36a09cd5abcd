import { expect } from 'chai';
import { array, assert, constantFrom, property, string } from 'fast-check';
import { TextDecoding, WrongByteError } from '../../../mapper/import/decode-text.ts';
import { readAll } from './reading.ts';

/** The text of bytes that come one by one, and the offset of the first wrong one. */
function decode(bytes: Uint8Array): { text: string; wrongAt: number | undefined } {
  const decoding = new TextDecoding();
  let text = '';
  try {
    for (const byte of bytes) for (const piece of decoding.decode(Uint8Array.of(byte))) text += piece;
    for (const piece of decoding.end()) text += piece;
  } catch (error) {
    if (!(error instanceof WrongByteError)) throw error;
    return { text, wrongAt: error.offset };
  }
  return { text, wrongAt: undefined };
}

const texts = string({ unit: constantFrom('a', ',', '\n', 'é', '€', '🚀', '\ufffd'), maxLength: 20 });

describe('the encoding of an import', () => {
  for (const [encoding, mark, toBytes] of [
    ['UTF-8', [], (text: string) => Buffer.from(text)],
    ['UTF-8 with a mark', [0xef, 0xbb, 0xbf], (text: string) => Buffer.from(text)],
    ['UTF-16LE', [0xff, 0xfe], (text: string) => Buffer.from(text, 'utf16le')],
    ['UTF-16BE', [0xfe, 0xff], (text: string) => Buffer.from(text, 'utf16le').swap16()],
  ] as const) {
    it(`${encoding}: reads every text, byte by byte`, () => {
      assert(
        property(texts, (text) => {
          const bytes = Buffer.concat([Buffer.from(mark), toBytes(text)]);
          expect(decode(bytes)).to.deep.equal({ text, wrongAt: undefined });
        }),
      );
    });
  }

  it('finds the first wrong byte behind any text', () => {
    const wrong = constantFrom(
      [0xe9],
      [0xc3],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x9f, 0x9a],
      [0xf8],
      [0x80],
    );
    assert(
      property(texts, wrong, array(constantFrom(0x2c, 0x61), { maxLength: 4 }), (text, sequence, rest) => {
        const before = Buffer.from(text);
        const found = decode(Buffer.concat([before, Buffer.from([...sequence, ...rest])]));
        expect(found).to.deep.equal({ text, wrongAt: before.length });
      }),
    );
  });

  for (const [what, bytes, wrongAt] of [
    ['an odd number of bytes', [0xff, 0xfe, 0x61, 0, 0x62], 4],
    ['half a pair', [0xff, 0xfe, 0x61, 0, 0x3d, 0xd8], 4],
    ['the second half alone', [0xfe, 0xff, 0, 0x61, 0xde, 0x80, 0, 0x61], 4],
  ] as const) {
    it(`UTF-16, ${what}: byte ${wrongAt}`, () => {
      expect(decode(Uint8Array.from(bytes))).to.deep.equal({ text: 'a', wrongAt });
    });
  }

  it('says the offset and the line, and keeps what came before', async () => {
    const file = Buffer.concat([
      Buffer.from('url,code\nhttps://example.com/,abc\n"https://example.com/","x\ny'),
      Buffer.from([0xe9]),
      Buffer.from('"\nhttps://example.com/,def\n'),
    ]);
    const { outcomes } = await readAll([file]);
    expect(outcomes).to.have.length(2);
    expect(outcomes[0]).to.have.nested.property('link.code', 'abc');
    expect(outcomes[1]).to.include({ reason: 'wrong-encoding', line: 4, row: null });
    expect(outcomes[1]).to.have.property('message').that.includes('byte 61 is no UTF-8');
  });
});
