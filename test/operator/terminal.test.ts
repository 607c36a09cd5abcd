import { expect } from 'chai';
import { formatTable } from '../../runtime/terminal/table.ts';
import { formatAge, formatCount, formatDuration, formatFigure } from '../../runtime/terminal/units.ts';

describe('operator: tables', () => {
  it('align text to the left, numbers to the right, and leave no blanks at the end', () => {
    const lines = formatTable(
      [{ title: 'pool' }, { title: 'keys', align: 'right' }, { title: 'state' }],
      [
        ['redis-1', '7', 'ok'],
        ['r', '12,345', ''],
      ],
    );
    expect(lines).to.deep.equal(['pool       keys  state', 'redis-1       7  ok', 'r        12,345']);
  });

  it('show control characters, which a terminal would obey, as text', () => {
    const lines = formatTable([{ title: 'id' }], [['\u001b[31m\u009b\n\u007f é']]);
    expect(lines[1]).to.equal(String.raw`\x1b[31m\x9b\x0a\x7f é`);
  });

  it('show a missing cell as a dash, and only the titles when there are no rows', () => {
    expect(
      formatTable(
        [{ title: 'a' }, { title: 'b' }],
        [
          ['x', null],
          [undefined, 'y'],
        ],
      ),
    ).to.deep.equal(['a  b', 'x  -', '-  y']);
    expect(formatTable([{ title: 'shard' }], [])).to.deep.equal(['shard']);
  });
});

describe('operator: units', () => {
  it('format durations in their two largest units', () => {
    const cases: [number, string][] = [
      [0, '0.0 s'],
      [1_234, '1.2 s'],
      [9_960, '10 s'],
      [59_400, '59 s'],
      [60_000, '1 min'],
      [135_000, '2 min 15 s'],
      [11_520_000, '3 h 12 min'],
      [3 * 86_400_000 + 5 * 3_600_000, '3 d 5 h'],
    ];
    for (const [ms, text] of cases) expect(formatDuration(ms)).to.equal(text);
  });

  it('format no age without a time, and zero for a time from a clock that is ahead', () => {
    const now = Date.parse('2026-01-01T00:00:10.000Z');
    expect(formatAge('2026-01-01T00:00:08.000Z', now)).to.equal('2.0 s');
    expect(formatAge('2026-01-01T00:00:12.000Z', now)).to.equal('0.0 s');
    expect(formatAge('yesterday', now)).to.equal(undefined);
    expect(formatAge(null, now)).to.equal(undefined);
  });

  it('format counts and figures', () => {
    expect(formatCount(1_234_567)).to.equal('1,234,567');
    expect(formatCount(null)).to.equal(undefined);
    expect(formatFigure(152_340.7)).to.equal('152,341');
    expect(formatFigure(0.123_45)).to.equal('0.123');
  });
});
