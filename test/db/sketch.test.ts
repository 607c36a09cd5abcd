import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { MAX_SKETCH_BYTES, Sketch } from '../../db/clicks/sketch.ts';

const SALTS = 200;

/** Random numbers of 32 bits: sfc32 of PractRand. A hash would take most of the time of these tests. */
function randomNumbers(seed: number): () => number {
  let [a, b, c, counter] = [seed, 0x9e3779b9, 0x243f6a88, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum;
  };
  // From here on the seed is in all of its state.
  for (let i = 0; i < 16; i += 1) next();
  return next;
}

/** So many different visitors: each salt gives them other hashes. */
function sketchOf(visitors: number, salt: number): Sketch {
  const sketch = new Sketch();
  const next = randomNumbers(salt);
  for (let visitor = 0; visitor < visitors; visitor += 1) sketch.add(next(), next());
  return sketch;
}

/** Visitors that are counted under the same hashes, wherever they are counted. */
const visitors = fc.uniqueArray(fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff)), { maxLength: 1_500 });

function sketchWith(hashes: readonly (readonly [number, number])[]): Sketch {
  const sketch = new Sketch();
  for (const [high, low] of hashes) sketch.add(high, low);
  return sketch;
}

describe('a sketch of visitors', () => {
  for (const count of [100, 10_000, 1_000_000]) {
    it(`estimates ${count} visitors with an error of 2.6 % at most, in the mean`, () => {
      const errors = Array.from({ length: SALTS }, (_, salt) => sketchOf(count, salt).estimate() / count - 1);
      const mean = errors.reduce((sum, error) => sum + error, 0) / SALTS;
      const rms = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / SALTS);
      expect(rms, 'root mean square').to.be.at.most(0.026);
      expect(Math.abs(mean), 'mean').to.be.at.most(0.005);
      expect(Math.max(...errors.map(Math.abs)), 'worst').to.be.at.most(0.1);
    }).timeout(60_000);
  }

  it('estimates visitors by the hash that is used for them', () => {
    const sketch = new Sketch();
    for (let visitor = 0; visitor < 5_000; visitor += 1) {
      const hash = createHmac('sha256', 'salt').update(`192.0.2.${visitor} browser`).digest();
      sketch.add(hash.readUInt32BE(0), hash.readUInt32BE(4));
    }
    expect(sketch.estimate()).to.be.within(4_600, 5_400);
  });

  it('counts nobody at first, and few visitors nearly exactly', () => {
    const sketch = new Sketch();
    expect(sketch.estimate()).to.equal(0);
    expect(sketch.isEmpty).to.equal(true);
    const next = randomNumbers(1);
    for (let visitor = 1; visitor <= 10; visitor += 1) {
      const [high, low] = [next(), next()];
      sketch.add(high, low);
      sketch.add(high, low);
      expect(sketch.estimate(), `${visitor} visitors`).to.equal(visitor);
    }
    expect(sketch.isEmpty).to.equal(false);
    expect(sketch.toBytes()).to.have.length(1 + 2 * 10);
  });

  it('is the same, however it was put together, also through its bytes', () => {
    fc.assert(
      fc.property(visitors, fc.nat(1_500), (hashes, cut) => {
        const whole = sketchWith(hashes);
        const merged = Sketch.fromBytes(sketchWith(hashes.slice(cut)).toBytes());
        merged.merge(sketchWith(hashes.slice(0, cut)));
        merged.merge(whole);
        expect(merged.toBytes().equals(whole.toBytes())).to.equal(true);
        expect(Sketch.fromBytes(whole.toBytes()).estimate()).to.equal(whole.estimate());
        expect(whole.toBytes().length).to.be.at.most(MAX_SKETCH_BYTES);
      }),
      { numRuns: 100 },
    );
  });

  it('has one form of bytes for each state, also where it becomes dense', () => {
    const sketch = new Sketch();
    for (let register = 0; register < 2_048; register += 1) {
      sketch.add((register << 21) >>> 0, register === 7 ? 0 : 0x80000000);
      const bytes = sketch.toBytes();
      const again = Sketch.fromBytes(bytes);
      expect(again.toBytes().equals(bytes), `${register + 1} registers`).to.equal(true);
      expect(again.estimate()).to.equal(sketch.estimate());
    }
    expect(sketch.toBytes()).to.have.length(MAX_SKETCH_BYTES);
  });

  it('refuses bytes that are no sketch', () => {
    const dense = sketchOf(10_000, 1).toBytes();
    for (const bytes of [[], [0], [1, 5], [3, 0, 1], [1, 0, 0], [...dense, 0], [...dense.subarray(1)]])
      expect(() => Sketch.fromBytes(Uint8Array.from(bytes))).to.throw(RangeError);
  });
});
