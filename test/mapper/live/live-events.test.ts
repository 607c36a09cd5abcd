import { expect } from 'chai';
import type { LiveEntry } from '../../../db/redis/live-streams.ts';
import { formatClicks, isAfter, parsePlace, type LiveClick } from '../../../mapper/live/live-events.ts';
import { LiveListener } from '../../../mapper/live/live-listener.ts';
import { ticksFor } from '../../../mapper/live/live-shard.ts';
import { parseEvents, sumOf } from './sse-client.ts';

function click(isBot = false): LiveClick {
  const unknown = { referrer: null, country: null, language: null, browser: null, os: null, device: null };
  return { at: '2026-11-28T10:00:00.000Z', is_bot: isBot, ...unknown };
}

/** An entry with so many clicks, the first of them described. */
function entry(number: number, humans: number, bots = 0, described = humans + bots): LiveEntry {
  const details = Array.from({ length: described }, (_, at) => click(at < bots));
  return { id: `1000-${number}`, humans, bots, details: JSON.stringify(details) };
}

describe('clicks as server-sent events', () => {
  it('few clicks are one event each, with the id of what was told up to there', () => {
    const events = parseEvents(formatClicks([entry(0, 2), entry(1, 0, 1)], 4));
    expect(events.map(({ event, id }) => [event, id])).to.deep.equal([
      ['click', '1000-0.1'],
      ['click', '1000-0'],
      ['click', '1000-1'],
    ]);
  });

  it('of many clicks the last event has the number of the rest', () => {
    const events = parseEvents(formatClicks([entry(0, 3), entry(1, 100, 2, 5)], 4));
    expect(events.map(({ event, id }) => [event, id])).to.deep.equal([
      ['click', '1000-0.1'],
      ['click', '1000-0.2'],
      ['click', '1000-0'],
      ['more', '1000-1'],
    ]);
    expect(events.at(-1)?.data).to.deep.equal({ clicks: 102, humans: 100, bots: 2 });
  });

  it('a click that nobody described is part of the number, and so is all behind it', () => {
    const events = parseEvents(formatClicks([entry(0, 2, 0, 1), entry(1, 1)], 4));
    expect(events.map(({ event, id }) => [event, id])).to.deep.equal([
      ['click', '1000-0.1'],
      ['more', '1000-1'],
    ]);
    expect(events.at(-1)?.data).to.deep.equal({ clicks: 2, humans: 2, bots: 0 });
  });

  it('no click is no event', () => {
    expect(formatClicks([], 4)).to.equal('');
    expect(formatClicks([entry(0, 0)], 4)).to.equal('');
  });

  it('details that are no array make numbers', () => {
    const broken = { id: '1-0', humans: 2, bots: 1, details: '{' };
    const [event] = parseEvents(formatClicks([broken], 4));
    expect(event?.data).to.deep.equal({ clicks: 3, humans: 2, bots: 1 });
  });

  it('whoever goes on behind any event is told all the others, once', () => {
    const entries = [entry(0, 2, 1), entry(1, 1), entry(2, 70, 3, 5), entry(3, 4)];
    const all = { humans: 77, bots: 4 };
    for (const maxEvents of [2, 4, 5, 100]) {
      const events = parseEvents(formatClicks(entries, maxEvents));
      expect(sumOf(events)).to.deep.equal(all);
      for (const [at, { id = '' }] of events.entries()) {
        const place = parsePlace(id) ?? expect.fail(id);
        const from = entries.filter((one) => !isAfter(place.id, one.id));
        const after = formatClicks(
          place.told === undefined ? from.slice(1) : from,
          maxEvents,
          place.told ?? 0,
        );
        const before = sumOf(events.slice(0, at + 1));
        const rest = sumOf(parseEvents(after));
        expect({ humans: before.humans + rest.humans, bots: before.bots + rest.bots }).to.deep.equal(all);
      }
    }
  });

  for (const text of ['', '1', '1-', '-1', '1-2.', '1-2.x', '1-2.1000', ' 1-2', '1-2 ', '1234567890123456-0'])
    it(`${JSON.stringify(text)} is no id of an event`, () => {
      expect(parsePlace(text)).to.equal(undefined);
    });

  it('ids are compared as numbers', () => {
    expect(isAfter('10-0', '9-5')).to.equal(true);
    expect(isAfter('10-2', '10-10')).to.equal(false);
    expect(isAfter('10-2', '10-2')).to.equal(false);
  });
});

describe('how often a link is told of', () => {
  for (const [listeners, ticks] of [
    [0, 1],
    [1, 1],
    [100, 1],
    [101, 2],
    [200, 2],
    [201, 4],
    [2_000, 4],
  ] as const)
    it(`with ${listeners} listeners: in every ${ticks}. tick`, () => {
      expect(ticksFor(listeners)).to.equal(ticks);
    });
});

describe('what waits for a client that watches', () => {
  it('a client that reads too slowly is sent away, and told nothing more', async () => {
    let closed = 0;
    const listener = new LiveListener({
      mayGoOn: async () => undefined,
      onClosed: () => {
        closed += 1;
      },
    });
    listener.begin(Buffer.from('begin '));
    expect((await listener.next()).value?.toString()).to.equal('begin ');
    for (let piece = 0; piece <= 40; piece += 1) listener.add(Buffer.from(`${piece} `));
    expect(closed).to.equal(1);
    expect(await listener.next()).to.deep.equal({ done: true, value: undefined });
    await listener.return();
    expect(closed).to.equal(1);
  });

  it('the first piece comes before those that were added earlier, and pieces that wait are one', async () => {
    const listener = new LiveListener({ mayGoOn: async () => undefined, onClosed: () => undefined });
    const first = listener.next();
    listener.add(Buffer.from('second '));
    listener.begin(Buffer.from('first '));
    expect((await first).value?.toString()).to.equal('first second ');
    listener.add(Buffer.from('last'));
    listener.close();
    expect((await listener.next()).value?.toString()).to.equal('last');
    expect((await listener.next()).done).to.equal(true);
  });
});
