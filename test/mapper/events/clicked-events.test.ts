import { expect } from 'chai';
import type { LinkClicks } from '../../../db/clicks/click-flush.ts';
import { toClickedEvents } from '../../../mapper/events/clicked-events.ts';
import { toEventData } from '../../../mapper/events/event-data.ts';

const HOUR = 497_000;

function clicksOf(key: string, fields: Partial<LinkClicks> = {}): LinkClicks {
  return { key, hours: [{ hour: HOUR, humans: 2, bots: 1 }], values: [], visitors: [], ...fields };
}

/** The bodies in a statement. None of these texts has a quote. */
function bodiesIn([sql = '']: readonly string[]): string[] {
  return [...sql.matchAll(/'link\.clicked','(.*?)',UTC/g)].map(([, body = '']) =>
    body.replaceAll('\\"', '"'),
  );
}

const wantsAll = (): boolean => true;

describe('events of clicks', () => {
  it('are none when nobody wants them', () => {
    const owned = [{ ownerId: 7n, link: clicksOf('abcdefgh') }];
    expect(toClickedEvents(owned, () => false)).to.deep.equal([]);
    expect(toClickedEvents([], wantsAll)).to.deep.equal([]);
  });

  it('are one for all links of an owner in a flush, and more for more than a hundred', () => {
    const keys = Array.from({ length: 150 }, (_, index) => `key-${index}`);
    const owned = [
      ...keys.map((key) => ({ ownerId: 7n, link: clicksOf(key) })),
      { ownerId: 8n, link: clicksOf('another') },
      { ownerId: 9n, link: clicksOf('unwanted') },
    ];
    const bodies = bodiesIn(toClickedEvents(owned, (userId) => userId !== 9n));
    const links = bodies.map((body) =>
      (JSON.parse(body) as { unique_id: string }[]).map((link) => link.unique_id),
    );
    expect(links).to.deep.equal([keys.slice(0, 100), keys.slice(100), ['another']]);
  });

  it('say how often each link was followed, by hour and by the most frequent values', () => {
    const link = clicksOf('abcdefgh', {
      hours: [
        { hour: HOUR, humans: 2, bots: 1 },
        { hour: HOUR + 1, humans: 40, bots: 0 },
      ],
      values: [
        { day: 1, dimension: 'country', value: 'DE', humans: 2, bots: 1 },
        { day: 2, dimension: 'country', value: 'DE', humans: 1, bots: 0 },
        { day: 2, dimension: 'country', value: 'FR', humans: 39, bots: 0 },
        ...Array.from({ length: 30 }, (_, index) => ({
          day: 2,
          dimension: 'browser' as const,
          value: `browser ${index}`,
          humans: index,
          bots: 0,
        })),
      ],
    });
    const [body = ''] = bodiesIn(toClickedEvents([{ ownerId: 7n, link }], wantsAll));
    const { links } = toEventData('link.clicked', body, 'https://go.example') as {
      links: Record<string, unknown>[];
    };
    const [told] = links;
    expect(told).to.deep.include({
      unique_id: 'abcdefgh',
      short_url: 'https://go.example/abcdefgh',
      clicks: { total: 43, humans: 42, bots: 1 },
      time: [
        { at: new Date(HOUR * 3_600_000).toISOString(), humans: 2, bots: 1 },
        { at: new Date((HOUR + 1) * 3_600_000).toISOString(), humans: 40, bots: 0 },
      ],
      country: [
        { value: 'FR', humans: 39, bots: 0 },
        { value: 'DE', humans: 3, bots: 1 },
      ],
      os: [],
    });
    expect(told?.['browser'])
      .to.have.length(20)
      .and.deep.include({ value: 'browser 29', humans: 29, bots: 0 });
  });
});
