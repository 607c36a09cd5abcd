import { expect } from 'chai';
import { layOut } from '../../scripts/operator/one-screen.ts';

const LOCKS = ['Locks', '  keys-db-1  producer-1'];
const POOLS = ['Pools', '  redis-1  10', '  redis-2  20'];
const MAPPERS = ['Mappers', '  mapper-1'];

describe('the screen of keymill status --watch', () => {
  const cases: [string, number, number, readonly string[]][] = [
    [
      'wide: side by side',
      100,
      20,
      [
        'Locks                     Pools           Mappers',
        '  keys-db-1  producer-1     redis-1  10     mapper-1',
        '                            redis-2  20',
      ],
    ],
    [
      'just wide enough for two',
      40,
      20,
      [
        'Locks                     Pools',
        '  keys-db-1  producer-1     redis-1  10',
        '                            redis-2  20',
        '',
        'Mappers',
        '  mapper-1',
      ],
    ],
    ['narrow: below each other', 24, 20, [...LOCKS, '', ...POOLS, '', ...MAPPERS]],
    [
      'too narrow: cut',
      10,
      20,
      ['Locks', '  keys-db…', '', 'Pools', '  redis-1…', '  redis-2…', '', 'Mappers', '  mapper-1'],
    ],
    [
      'too low: says so',
      60,
      2,
      ['Locks                     Pools           Mappers', '… 2 more lines: make the window larger'],
    ],
    ['no room at all', 60, 1, ['… 3 more lines: make the window larger']],
  ];
  for (const [name, columns, rows, expected] of cases)
    it(name, () => {
      const lines = layOut([LOCKS, POOLS, MAPPERS], { columns, rows });
      expect(lines).to.deep.equal(expected);
      expect(lines.length).to.be.at.most(rows);
      for (const line of lines) expect(line.length).to.be.at.most(columns);
    });

  it('shows nothing for nothing', () => {
    expect(layOut([], { columns: 80, rows: 24 })).to.deep.equal([]);
  });
});
