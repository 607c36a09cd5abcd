import { expect } from 'chai';
import { claimJob, moveJob, releaseJob } from '../../db/jobs/job-leases.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { openJobs } from '../../mapper/jobs/open-jobs.ts';
import { startRestedJobs, type RestedJob } from '../../mapper/jobs/rested-jobs.ts';
import { createLog } from '../../runtime/log.ts';
import { emptyUrlsDatabase } from '../db/urls-fixture.ts';
import { until } from '../until.ts';

const log = createLog('test', 'jobs', 'silent');

describe('jobs in the background', () => {
  let db: Mysql;
  let url: string;
  const running: AsyncDisposable[] = [];

  before(async () => {
    url = await emptyUrlsDatabase();
    db = openMysql(url, { name: 'urls-1', canTransact: true });
  });

  after(async () => db.close());

  beforeEach(async () => {
    await db.execute('DELETE FROM jobs');
  });

  afterEach(async () => {
    for (const each of running.splice(0)) await each[Symbol.asyncDispose]();
  });

  const claim = { name: 'sweep', leaseMs: 60_000, everyMs: 60_000 };
  const [one, other] = [
    { ...claim, holder: 'one' },
    { ...claim, holder: 'other' },
  ];

  function start(holder: string, step: RestedJob['step'], everyMs = 60_000): AsyncDisposable {
    const started = startRestedJobs({
      jobs: [{ name: 'sweep', everyMs, step }],
      servers: [{ name: 'urls-1', db, isWritable: () => true }],
      holder,
      log,
      pollMs: 10,
    });
    running.push(started);
    return started;
  }

  it('are held by one process, go on where another stopped, and begin again when they are due', async () => {
    expect(await claimJob(db, one)).to.deep.equal({ position: undefined, doneAt: undefined });
    expect(await claimJob(db, other)).to.equal(undefined);
    expect(await moveJob(db, one, 'half')).to.equal(true);
    expect(await moveJob(db, other, 'stolen')).to.equal(false);
    await db.execute('UPDATE jobs SET until = UTC_TIMESTAMP() - INTERVAL 1 SECOND');
    expect((await claimJob(db, other))?.position).to.equal('half');
    expect(await moveJob(db, one, 'late')).to.equal(false);
    await releaseJob(db, other);
    expect((await claimJob(db, one))?.position).to.equal('half');
    expect(await moveJob(db, one, undefined)).to.equal(true);
    expect(await claimJob(db, other)).to.equal(undefined);
    await db.execute('UPDATE jobs SET done_at = done_at - INTERVAL 61 SECOND');
    const again = await claimJob(db, other);
    expect(again?.position).to.equal(undefined);
    expect(again?.doneAt).to.be.instanceOf(Date);
  });

  it('are not held up by times of a clock that has gone back since', async () => {
    await claimJob(db, one);
    await db.execute('UPDATE jobs SET until = UTC_TIMESTAMP() + INTERVAL 1 YEAR');
    expect(await claimJob(db, other)).to.deep.equal({ position: undefined, doneAt: undefined });
    expect(await claimJob(db, one)).to.equal(undefined);
    await moveJob(db, other, undefined);
    await db.execute('UPDATE jobs SET done_at = UTC_TIMESTAMP() + INTERVAL 1 YEAR');
    expect(await claimJob(db, one)).to.have.property('position', undefined);
  });

  it('are done piece by piece, once by all processes together', async () => {
    const pieces: string[] = [];
    const step: RestedJob['step'] = async (_, { position }) => {
      const piece = position ?? '0';
      pieces.push(piece);
      return piece === '4' ? undefined : String(Number(piece) + 1);
    };
    for (const holder of ['one', 'other', 'third']) start(holder, step);
    await until('the last piece', () => pieces.length === 5);
    await until(
      'the end',
      async () => (await db.query('SELECT 1 FROM jobs WHERE done_at IS NOT NULL')).length === 1,
    );
    expect(pieces).to.deep.equal(['0', '1', '2', '3', '4']);
  });

  it('that must be in time do not wait for others', async () => {
    const hanging = Promise.withResolvers<undefined>();
    let isDone = false;
    const started = startRestedJobs({
      jobs: [
        { name: 'slow', everyMs: 60_000, step: async () => hanging.promise },
        { name: 'in time', everyMs: 60_000, isInTime: true, step: async () => void (isDone = true) },
      ],
      servers: [{ name: 'urls-1', db, isWritable: () => true }],
      holder: 'one',
      log,
      pollMs: 10,
    });
    running.push(started);
    await until('the other', () => isDone);
    hanging.resolve(undefined);
  });

  it('go on at another process when one stops, and at the next look after a failure', async () => {
    const pieces: string[] = [];
    const stepOf =
      (holder: string): RestedJob['step'] =>
      async (_, { position }) => {
        pieces.push(`${holder} ${position ?? 'begin'}`);
        if (pieces.length === 2) throw new Error('it fails once');
        return String(pieces.length);
      };
    const first = start('one', stepOf('one'));
    await until('a failure and more', () => pieces.length > 3);
    expect(pieces.slice(0, 3)).to.deep.equal(['one begin', 'one 1', 'one 1']);
    await first[Symbol.asyncDispose]();
    const before = pieces.length;
    start('other', stepOf('other'));
    await until('the other', () => pieces.length > before);
    expect(pieces[before]).to.equal(`other ${before}`);
  });

  it('say once a round what they have skipped', async () => {
    const warnings: unknown[] = [];
    running.push(
      startRestedJobs({
        jobs: [
          {
            name: 'sweep',
            everyMs: 60_000,
            step: async (_, { position }, onSkipped) => {
              onSkipped(position ?? 'first', new Error('cannot be summed'));
              return position === undefined ? 'second' : undefined;
            },
          },
        ],
        servers: [{ name: 'urls-1', db, isWritable: () => true }],
        holder: 'one',
        log: Object.assign(Object.create(log) as typeof log, {
          warn: (fields: object) => warnings.push(fields),
        }),
        pollMs: 10,
      }),
    );
    await until('a warning', () => warnings.length > 0);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.deep.include({ what: 'first', skipped: 2, urlsDb: 'urls-1', job: 'sweep' });
  });

  it('do not hold up a mapper that stops for longer than some seconds', async () => {
    let isAsleep = false;
    const step: RestedJob['step'] = async (at) => {
      isAsleep = true;
      await at.query('SELECT SLEEP(30)', [], { timeoutMs: 30_000 });
      return 'never';
    };
    const opened = openJobs({
      config: {
        id: 'mapper-1',
        stores: { urlsDbs: [{ name: 'urls-1', url, slots: [] }] },
        jobs: { keptDays: undefined, pollMs: 10 },
      },
      servers: [{ isWritable: true }],
      jobs: [{ name: 'sleep', everyMs: 60_000, step }],
      log,
    });
    await until('the step', () => isAsleep);
    const startedMs = performance.now();
    await opened[Symbol.asyncDispose]();
    expect(performance.now() - startedMs).to.be.below(5_000);
  });
});
