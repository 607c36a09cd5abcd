import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

describe('keymill stats', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await openTestCluster();
    const link = { userId: null, createdAt: new Date(), expiresAt: null, requestId: '00'.repeat(16) };
    const key = 'my-alias';
    await cluster.urlsDb.insert([{ ...link, key, slot: slotOf(key), longUrl: 'https://example.com/' }]);
    const day = Date.UTC(2026, 10, 20) / 86_400_000;
    const hours = [
      { hour: day * 24 + 9, humans: 20, bots: 1 },
      { hour: day * 24 + 23, humans: 5, bots: 0 },
    ];
    const values = [{ day, dimension: 'country', value: 'ES', humans: 25, bots: 1 } as const];
    await cluster.clicksDb.add({
      source: 'mapper-1/x',
      seq: 1,
      links: [{ key, hours, values, visitors: [] }],
    });
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('prints the clicks of a link by day, also of a pasted link', async () => {
    const args = [
      'stats',
      'https://go.example/my-alias?utm=1',
      '--to',
      '2026-11-22',
      '--tz',
      'Europe/Berlin',
    ];
    const { stdout, exitCode } = await runKeymill(args, cluster.env);
    expect([exitCode, stdout]).to.deep.equal([
      0,
      [
        'key       my-alias',
        'period    from the first click to 2026-11-21T23:00:00.000Z',
        'clicks    26 (25 by people, 1 by bots)',
        'visitors  about 0',
        '',
        'day (Europe/Berlin)  people  bots',
        '2026-11-20               20     1',
        '2026-11-21                5     0',
        '',
      ].join('\n'),
    ]);
  });

  it('prints one JSON document with the fields of the API', async () => {
    const args = ['stats', 'my-alias', '--by', 'country', '--json'];
    const { stdout, stderr } = await runKeymill(args, cluster.env);
    expect(JSON.parse(stdout)).to.deep.include({
      unique_id: 'my-alias',
      by: 'country',
      approximate: true,
      clicks: { total: 26, humans: 25, bots: 1 },
      items: [{ value: 'ES', humans: 25, bots: 1 }],
    });
    expect(stderr).to.equal('');
  });

  it('says which option is wrong, exit code 2', async () => {
    for (const [args, reason] of [
      [['--unit', 'week'], '--unit must be one of hour, day, month'],
      [
        ['--from', 'monday'],
        '--from must be a date, such as 2030-01-31, or an RFC 3339 date-time with offset',
      ],
      [['--tz', 'Mars'], '--tz must be a time zone, such as Europe/Berlin, or an offset, such as +02:00'],
      [['--from', '2026-02-02', '--to', '2026-02-01'], '--to must be after from'],
    ] as const) {
      const { exitCode, stdout, stderr } = await runKeymill(['stats', 'my-alias', ...args], cluster.env);
      expect([exitCode, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.include(reason);
    }
  });

  it('refuses a link that does not exist, exit code 1', async () => {
    const { exitCode, stderr } = await runKeymill(['stats', 'no-such'], cluster.env);
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('there is no link no-such');
  });

  it('names a urls server that does not answer, exit code 2', async () => {
    const env = { ...cluster.env, KEYMILL_URLS_DBS: 'urls-1:0-31=mysql://u:hidden@127.0.0.1:1/none' };
    const { exitCode, stderr } = await runKeymill(['stats', 'my-alias'], env);
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('urls-1').and.not.include('hidden');
  });
});
