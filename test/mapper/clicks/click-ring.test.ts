import { expect } from 'chai';
import { loadBetween, restAfterClicks, roomForClicks } from '../../../mapper/clicks/click-pace.ts';
import { ClickRing } from '../../../mapper/clicks/click-ring.ts';

const SENDER = { address: '192.0.2.1', isProxy: false };

describe('the ring of clicks', () => {
  it('gives clicks in their order, round after round', () => {
    const ring = new ClickRing({ capacity: 3, maxBytes: 1_000 });
    let pushed = 0;
    let taken = 0;
    for (const count of [1, 3, 2, 3, 3, 1]) {
      for (let i = 0; i < count; i += 1)
        if (ring.push(`key-${pushed}`, pushed, `head ${pushed}`, pushed, SENDER)) pushed += 1;
      for (let click = ring.take(); click !== undefined; click = ring.take()) {
        expect(click).to.deep.equal({
          key: `key-${taken}`,
          atMs: taken,
          head: `head ${taken}`,
          headStart: taken,
          sender: SENDER,
        });
        taken += 1;
      }
    }
    expect([pushed, taken, ring.size, ring.fill]).to.deep.equal([13, 13, 0, 0]);
  });

  it('refuses clicks beyond its places, and goes on when one is free', () => {
    const ring = new ClickRing({ capacity: 2, maxBytes: 1_000 });
    expect([1, 2, 3].map((i) => ring.push('key', i, '', 0, SENDER))).to.deep.equal([true, true, false]);
    expect(ring.fill).to.equal(1);
    expect(ring.take()?.atMs).to.equal(1);
    expect(ring.push('key', 4, '', 0, SENDER)).to.equal(true);
    expect([ring.take()?.atMs, ring.take()?.atMs, ring.take()]).to.deep.equal([2, 4, undefined]);
  });

  it('refuses clicks whose texts are too large together, and counts a text that they share once', () => {
    const ring = new ClickRing({ capacity: 100, maxBytes: 1_000 });
    const shared = 'x'.repeat(600);
    for (let i = 0; i < 10; i += 1) expect(ring.push('key', i, shared, i, SENDER)).to.equal(true);
    expect(ring.push('key', 10, 'y'.repeat(600), 0, SENDER)).to.equal(false);
    expect(ring.fill).to.equal(0.6);
    while (ring.take() !== undefined);
    expect(ring.fill).to.equal(0);
    expect(ring.push('key', 11, 'y'.repeat(600), 0, SENDER)).to.equal(true);
    // The same text again is weighed again when the first one has gone.
    while (ring.take() !== undefined);
    expect(ring.push('key', 12, 'y'.repeat(600), 0, SENDER)).to.equal(true);
    expect(ring.fill).to.equal(0.6);
  });

  it('weighs two texts that are equal, and not the same one', () => {
    const ring = new ClickRing({ capacity: 100, maxBytes: 1_000 });
    const text = (): string => 'x'.repeat(600);
    expect([0, 1].map((i) => ring.push('key', i, text(), 0, SENDER))).to.deep.equal([true, false]);
  });
});

describe('the room for clicks', () => {
  for (const [room, isFull, busy, perSecond, expected] of [
    [100, false, 1, 50_000, Infinity],
    [100, true, 0.84, 50_000, Infinity],
    [100, true, 1, 20_000, Infinity],
    // A load that has lasted until there was no room; few may wait until it is over.
    [100, true, 0.85, 20_001, 512],
    [512, false, 0.85, 20_001, 512],
    [512, true, 0.84, 20_001, Infinity],
  ] as const)
    it(`is ${expected}, where it is ${room}, ${isFull ? '' : 'not '}full, ${busy * 100} % busy, with ${perSecond} clicks a second`, () =>
      expect(roomForClicks({ room, isFull, busy, perSecond })).to.equal(expected));

  it('may become less than what waits, which stays, and again all places', () => {
    const ring = new ClickRing({ capacity: 10, maxBytes: 1_000 });
    const come = (): boolean => ring.push('key', 0, '', 0, SENDER);
    for (let i = 0; i < 10; i += 1) expect(come()).to.equal(true);
    expect(ring.isFull).to.equal(false);
    expect(come()).to.equal(false);
    expect(ring.isFull).to.equal(true);
    ring.room = 4;
    while (ring.size > 4) expect([come(), ring.take()?.key]).to.deep.equal([false, 'key']);
    expect([ring.take()?.key, come(), come()]).to.deep.equal(['key', true, false]);
    ring.room = Infinity;
    expect(ring.room).to.equal(10);
    expect(come()).to.equal(true);
  });
});

describe('the rest after a piece of clicks', () => {
  for (const [fill, busy, perSecond, restMs] of [
    [0, 0, 0, 4],
    [0.25, 0.5, 50_000, 2],
    [0.5, 0.5, 50_000, 0],
    [1, 0.84, 50_000, 0],
    // Busy, but not with too many clicks.
    [0, 1, 20_000, 4],
    [1, 1, 20_000, 0],
    [0, 0.85, 20_001, 48],
    [1, 1, 80_000, 48],
  ] as const)
    it(`is ${restMs} ms after 1 ms, ${fill * 100} % full, ${busy * 100} % busy, with ${perSecond} clicks a second`, () =>
      expect(restAfterClicks({ tookMs: 1, fill, busy, perSecond })).to.equal(restMs));

  it('is after the load of all that came between two moments', () => {
    const from = { atMs: 1_000, activeMs: 100, offered: 500, read: 400, readMs: 10 };
    const to = { ...from, atMs: 1_500, activeMs: 350, offered: 10_500 };
    expect(loadBetween(from, to)).to.deep.equal({ busy: 0.5, perSecond: 20_000 });
    expect(loadBetween(from, from)).to.deep.equal({ busy: 0, perSecond: 0 });
  });

  it('is the same load, whatever part of the clicks is looked at', () => {
    const from = { atMs: 0, activeMs: 0, offered: 0, read: 0, readMs: 0 };
    // 200 ms of other work, 10,000 clicks of 10 µs.
    for (const read of [50, 1_000, 10_000]) {
      const readMs = read / 100;
      const to = { atMs: 500, activeMs: 200 + readMs, offered: 10_000, read, readMs };
      expect(loadBetween(from, to).busy).to.be.closeTo(0.6, 1e-9);
    }
  });
});
