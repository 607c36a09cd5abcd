import { expect } from 'chai';
import * as fc from 'fast-check';
import { Sieve } from '../../mapper/sieve.ts';

/** Every entry one byte: `capacity` entries fit. */
function sieveOf(capacity: number, keys = ''): Sieve<string> {
  const sieve = new Sieve<string>(capacity, () => 1);
  for (const key of keys) sieve.set(key, key);
  return sieve;
}

function kept(sieve: Sieve<string>, keys: string): string {
  return Array.from(keys)
    .filter((key) => sieve.get(key) !== undefined)
    .join('');
}

describe('a sieve', () => {
  it('evicts the oldest first when nothing was asked for', () => {
    expect(kept(sieveOf(3, 'abcd'), 'abcd')).to.equal('bcd');
  });

  it('spares what was asked for, once', () => {
    const sieve = sieveOf(3, 'abc');
    sieve.get('a');
    sieve.set('d', 'd');
    sieve.set('e', 'e');
    expect(kept(sieve, 'abcde')).to.equal('ade');
  });

  it('goes on where it stopped: the hand does not return to entries it has spared', () => {
    // The example of the SIEVE paper, in small: a b c, all visited, then d e f.
    const sieve = sieveOf(3, 'abc');
    for (const key of 'abc') sieve.get(key);
    sieve.set('d', 'd'); // clears a b c, wraps, evicts a; the hand stands at b
    sieve.get('b');
    sieve.set('e', 'e'); // spares b, evicts c
    expect(kept(sieve, 'abcde')).to.equal('bde');
  });

  it('replaces a value in place of the old one', () => {
    const sieve = sieveOf(3, 'abc');
    sieve.set('a', 'new');
    expect(sieve.get('a')).to.equal('new');
    expect(sieve.size).to.equal(3);
    expect(sieve.bytes).to.equal(3);
  });

  it('does not keep what is larger than the bound', () => {
    const sieve = new Sieve<string>(10, (_key, value) => value.length);
    sieve.set('a', 'x'.repeat(5));
    sieve.set('b', 'x'.repeat(11));
    expect(sieve.get('b')).to.equal(undefined);
    expect(sieve.get('a')).to.equal('xxxxx');
  });

  it('is empty after clear, and works on', () => {
    const sieve = sieveOf(2, 'ab');
    sieve.clear();
    expect([sieve.size, sieve.bytes]).to.deep.equal([0, 0]);
    for (const key of 'cde') sieve.set(key, key);
    expect(kept(sieve, 'cde')).to.equal('de');
  });

  it('never exceeds its bound, and holds exactly what a plain model of the algorithm holds', () => {
    const step = fc.record({
      action: fc.constantFrom('get', 'set', 'set', 'delete'),
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
      size: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const maxBytes = 8;
        const sieve = new Sieve<number>(maxBytes, (_key, size) => size);
        const model = new Model(maxBytes);
        for (const { action, key, size } of steps) {
          if (action === 'get') expect(sieve.get(key)).to.equal(model.get(key));
          else if (action === 'delete') expect(sieve.delete(key)).to.equal(model.delete(key));
          else {
            sieve.set(key, size);
            model.set(key, size);
          }
          expect(sieve.bytes).to.equal(model.bytes).and.to.be.at.most(maxBytes);
          expect(sieve.size).to.equal(model.entries.length);
        }
      }),
    );
  });
});

/** SIEVE written as naively as can be: an array, oldest first, and the index of the hand. */
class Model {
  entries: { key: string; size: number; isVisited: boolean }[] = [];
  #hand = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.entries.reduce((sum, { size }) => sum + size, 0);
  }

  get(key: string): number | undefined {
    const entry = this.entries.find((candidate) => candidate.key === key);
    if (entry !== undefined) entry.isVisited = true;
    return entry?.size;
  }

  delete(key: string): boolean {
    const index = this.entries.findIndex((entry) => entry.key === key);
    if (index < 0) return false;
    this.entries.splice(index, 1);
    if (index < this.#hand) this.#hand -= 1;
    if (this.#hand >= this.entries.length) this.#hand = 0;
    return true;
  }

  set(key: string, size: number): void {
    this.delete(key);
    while (this.bytes + size > this.#maxBytes) {
      let entry = this.entries[this.#hand];
      while (entry?.isVisited === true) {
        entry.isVisited = false;
        this.#hand = (this.#hand + 1) % this.entries.length;
        entry = this.entries[this.#hand];
      }
      if (entry !== undefined) this.delete(entry.key);
    }
    this.entries.push({ key, size, isVisited: false });
  }
}
