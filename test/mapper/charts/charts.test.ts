import { expect } from 'chai';
import { barTable as drawBars, type BarTable } from '../../../mapper/charts/bar-table.ts';
import { scaleFor } from '../../../mapper/charts/scale.ts';
import { timeChart as drawChart, type TimeChart } from '../../../mapper/charts/time-chart.ts';
import { timeLabels } from '../../../mapper/charts/time-labels.ts';
import { nameOfValue } from '../../../mapper/charts/value-names.ts';

const barTable = (table: BarTable): string => drawBars(table).text;
const timeChart = (chart: TimeChart): string => drawChart(chart).text;

const EVIL = `"><script>alert(1)</script>\u202Eevil & 'q'`;

/** The numbers of one attribute of all elements with this class. */
function numbersOf(html: string, name: string, attribute: string): number[] {
  return [...html.matchAll(new RegExp(`<rect class="${name}"[^>]*?${attribute}="([\\d.]+)"`, 'g'))].map(
    ([, value]) => Number(value),
  );
}

/** No policy that forbids inline code forbids any of it, and every tag that begins also ends. */
function expectCleanHtml(html: string): void {
  expect(html).not.to.match(/<script|\sstyle=|\son[a-z]+=|javascript:/);
  const open: string[] = [];
  for (const [, slash, name = '', empty] of html.matchAll(/<(\/?)([a-z]+)(?:\s[^>]*?)?(\/?)>/gi)) {
    if (empty === '/') continue;
    if (slash === '') open.push(name);
    else expect(open.pop()).to.equal(name);
  }
  expect(open).to.deep.equal([]);
}

describe('a scale', () => {
  for (const [most, ticks] of [
    [0, [1, 0]],
    [1, [1, 0]],
    [3, [3, 2, 1, 0]],
    [5, [6, 4, 2, 0]],
    [44, [60, 40, 20, 0]],
    [100, [100, 75, 50, 25, 0]],
    [1_234, [1_500, 1_000, 500, 0]],
    [9_999_999, [10_000_000, 7_500_000, 5_000_000, 2_500_000, 0]],
  ] as const)
    it(`of ${most} is ${ticks.join(', ')}`, () => {
      expect(scaleFor(most)).to.deep.equal({ top: ticks[0], ticks });
    });

  it('has round whole numbers, few of them, and room for every value', () => {
    for (let most = 1; most < 3_000; most += 1) {
      const { top, ticks } = scaleFor(most);
      expect(top)
        .to.be.at.least(most)
        .and.at.most(most * 2 + 1);
      expect(ticks.length).to.be.within(2, 5);
      expect(ticks.every(Number.isInteger), String(most)).to.equal(true);
    }
  });
});

describe('a chart of clicks over time', () => {
  const first = { label: 'Thu 26 Nov 2026', short: '26 Nov', humans: 41, bots: 3 };
  const items = [
    first,
    { label: 'Fri 27 Nov 2026', short: '27 Nov', humans: 0, bots: 0 },
    { label: 'Sat 28 Nov 2026', short: '28 Nov', humans: 20, bots: 20 },
  ];
  const chart = timeChart({ name: 'Clicks by day', unit: 'Day', items });

  it('draws people and bots above each other, to the scale', () => {
    // The scale ends at 60.
    expect(numbersOf(chart, 'humans', 'height')).to.deep.equal([68.33, 33.33]);
    expect(numbersOf(chart, 'bots', 'height')).to.deep.equal([5, 33.34]);
    expect(numbersOf(chart, 'bots', 'y')).to.deep.equal([26.67, 33.33]);
  });

  it('says in words what it shows, and has every number in a table', () => {
    expect(chart).to.include(
      'aria-label="Clicks by day, from Thu 26 Nov 2026 to Sat 28 Nov 2026: 61 by people and 23 by bots. Most in one bar: 44, Thu 26 Nov 2026."',
    );
    expect(chart).to.include('<th scope="col">Day</th>');
    expect(chart).to.include(
      '<tr><th scope="row">Sat 28 Nov 2026</th><td class="number">20</td><td class="number">20</td></tr>',
    );
    expect(chart.match(/<title>/g)).to.have.length(3);
    expectCleanHtml(chart);
  });

  it('shows a single click among a million', () => {
    const html = timeChart({
      name: 'Clicks',
      unit: 'Day',
      items: [
        { label: 'a', short: 'a', humans: 1_000_000, bots: 0 },
        { label: 'b', short: 'b', humans: 1, bots: 1 },
      ],
    });
    expect(Math.min(...numbersOf(html, 'humans', 'height'))).to.be.at.least(1);
    expect(Math.min(...numbersOf(html, 'bots', 'height'))).to.be.at.least(1);
  });

  it('says that there were none', () => {
    const html = timeChart({ name: 'Clicks by day', unit: 'Day', items: [{ ...first, humans: 0, bots: 0 }] });
    expect(html).to.equal('<p class="chart-empty">Clicks by day: none in this period.</p>');
    expect(timeChart({ name: 'Clicks', unit: 'Day', items: [] })).to.include('none in this period');
  });

  it('stays small: three months of days, and seven days of hours', () => {
    for (const [count, maxBytes] of [
      [90, 45_000],
      [168, 85_000],
    ] as const) {
      const many = Array.from({ length: count }, (_, at) => ({ ...first, humans: at, bots: at % 7 }));
      expect(timeChart({ name: 'Clicks', unit: 'Day', items: many }).length).to.be.below(maxBytes);
    }
  });

  it('names times of a zone', () => {
    const at = new Date('2026-11-28T23:30:00Z');
    expect(timeLabels('day', 'Europe/Berlin').label(at)).to.equal('Sun, 29 Nov 2026');
    expect(timeLabels('hour', '+05:30').short(at)).to.match(/^29 Nov,? 05:00$/);
    expect(timeLabels('month', 'UTC').label(at)).to.equal('November 2026');
  });
});

describe('a table with bars', () => {
  it('has a bar in each row, whose length is its share of the longest', () => {
    const html = barTable({
      name: 'Countries',
      unit: 'Country',
      maxRows: 10,
      items: [
        { label: 'Germany', humans: 150, bots: 50 },
        { label: 'Spain', humans: 100, bots: 0 },
        { label: 'Malta', humans: 0, bots: 1 },
      ],
    });
    expect(numbersOf(html, 'humans', 'width')).to.deep.equal([75, 50]);
    expect(numbersOf(html, 'bots', 'width')).to.deep.equal([25, 0.5]);
    expect(html).to.include('<caption>Countries</caption>').and.include('<bdi>Spain</bdi>');
    expectCleanHtml(html);
  });

  it('breaks the name of a host before a dot, and no other text', () => {
    const items = ['news.ycombinator.com', 'Direct, e.g. a mail', '<b>.x'].map((label) => ({
      label,
      humans: 1,
      bots: 0,
    }));
    const html = barTable({ name: 'Sites', unit: 'Site', maxRows: 10, items });
    expect(html)
      .to.include('<bdi>news<wbr>.ycombinator<wbr>.com</bdi>')
      .and.include('<bdi>Direct, e.g. a mail</bdi>')
      .and.include('<bdi>&lt;b&gt;<wbr>.x</bdi>');
  });

  it('puts the rare values together, so that no click is missing', () => {
    const items = Array.from({ length: 1_200 }, (_, at) => ({ label: `v${at}`, humans: 2, bots: 1 }));
    const html = barTable({ name: 'Sites', unit: 'Site', maxRows: 10, items });
    expect(html.match(/<tr>/g)).to.have.length(11);
    expect(html).to.include('<bdi>1,191 others</bdi>').and.include('>2,382<').and.include('>1,191</td>');
  });

  it('shows any text as text', () => {
    const html = barTable({
      name: EVIL,
      unit: EVIL,
      maxRows: 10,
      items: [{ label: EVIL, humans: 1, bots: 0 }],
    });
    expectCleanHtml(html);
    expect(html).to.include('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(barTable({ name: EVIL, unit: EVIL, maxRows: 10, items: [] })).not.to.include('<script');
  });

  it('has words for what is stored', () => {
    expect(nameOfValue('country', 'DE')).to.equal('Germany');
    expect(nameOfValue('language', 'pt-BR')).to.equal('Brazilian Portuguese');
    expect(nameOfValue('country', '')).to.equal('Not known');
    expect(nameOfValue('referrer', '')).to.equal('Direct, or not known');
    expect(nameOfValue('referrer', '(other)')).to.equal('All others');
    expect(nameOfValue('country', EVIL)).to.equal(`Not known (${EVIL})`);
    for (const code of ['x', 'zz', 'english'])
      expect(nameOfValue('language', code)).to.equal(`Not known (${code})`);
    for (const code of ['QQ', 'A1']) expect(nameOfValue('country', code)).to.equal(`Not known (${code})`);
    expect(nameOfValue('browser', 'Firefox')).to.equal('Firefox');
    expect(nameOfValue('device', 'tv')).to.equal('TV');
  });
});
