import { expect } from 'chai';
import { Sketch } from '../../../db/clicks/sketch.ts';
import { VisitorHash } from '../../../mapper/dimensions/visitor-hash.ts';

/** Bytes 0 to 15, as in the reference of SipHash-2-4. */
const KEY = Buffer.from(Array.from({ length: 16 }, (_, i) => i));

/** What the reference says of the bytes from 0 on, by their number, lowest byte first. */
const REFERENCE: Readonly<Record<number, string>> = {
  8: '6224939a79f5f593',
  9: 'b0e4a90bdf82009e',
  10: 'f3b9dd94c5bb5d7a',
  11: 'a7ad6b22462fb3f4',
  12: 'fbe50e86bc8f1e75',
  13: '903d84c02756ea14',
  14: 'eef27a8e90ca23f7',
  15: 'e545be4961ca29a1',
};

describe('the hash of a visitor', () => {
  it('is SipHash-2-4 of eight bytes and a text', () => {
    const hash = new VisitorHash(KEY);
    for (const [bytes, expected] of Object.entries(REFERENCE)) {
      const text = String.fromCharCode(...Array.from({ length: Number(bytes) - 8 }, (_, i) => i + 8));
      const { low, high } = hash.of({ low: 0x03020100, high: 0x07060504 }, text);
      const found = Buffer.alloc(8);
      found.writeInt32LE(low, 0);
      found.writeInt32LE(high, 4);
      expect(found.toString('hex'), bytes).to.equal(expected);
    }
  });

  it('differs with each part of the salt, of the digest and of the address', () => {
    const digest = { low: 1, high: 2 };
    const [address, sixth] = ['192.0.2.1', '2001:db8:1234:5678::/64'];
    const found = new Set<string>();
    const add = (salt: Buffer, ...visitor: Parameters<VisitorHash['of']>): void => {
      const { high, low } = new VisitorHash(salt).of(...visitor);
      found.add(`${high},${low}`);
    };
    for (let at = 0; at < 16; at += 1) add(Buffer.from(KEY).fill(0xff, at, at + 1), digest, address);
    add(KEY, digest, address);
    add(KEY, { ...digest, low: 2 }, address);
    add(KEY, { ...digest, high: 1 }, address);
    for (const text of [sixth, '']) add(KEY, digest, text);
    for (let at = 0; at < sixth.length; at += 1)
      add(KEY, digest, `${sixth.slice(0, at)}x${sixth.slice(at + 1)}`);
    expect(found.size).to.equal(16 + 1 + 2 + 2 + sixth.length);
  });

  it('counts addresses that follow each other as exactly as random ones', () => {
    for (const visitors of [100, 10_000]) {
      const sketch = new Sketch();
      const hash = new VisitorHash(KEY);
      for (let i = 0; i < visitors; i += 1) {
        const { high, low } = hash.of({ low: i % 7, high: 0 }, `10.0.${i >>> 8}.${i & 255}`);
        sketch.add(high, low);
      }
      expect(sketch.estimate() / visitors).to.be.within(0.9, 1.1);
    }
  });
});
