import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { openMysql, type Mysql } from '../../../db/mysql/mysql.ts';
import { parseLinkInEvent } from '../../../db/own-links/link-in-event.ts';
import { openOwnLinksDb, type OwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import { createExpiredLinksJob, type ExpiryListener } from '../../../mapper/events/expired-links.ts';
import type { RestedJob } from '../../../mapper/jobs/rested-jobs.ts';
import { ALL_SLOTS } from '../../../runtime/config/slots.ts';
import { emptyUrlsDatabase } from '../../db/urls-fixture.ts';
import { newOwner, ownedRow } from '../own-links-fixture.ts';

const HOUR_MS = 3_600_000;
const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR_MS);

describe('events of links that expire', () => {
  let db: Mysql;
  let links: OwnLinksDb;
  let listeners: ExpiryListener[];

  before(async function () {
    this.timeout(60_000);
    const url = await emptyUrlsDatabase();
    db = openMysql(url, { name: 'urls-1', canTransact: true });
    links = openOwnLinksDb({ name: 'urls-1', url, slots: ALL_SLOTS });
  });

  beforeEach(() => (listeners = []));

  after(async () => {
    await Promise.all([db.close(), links.close()]);
  });

  /** An owner who listens since yesterday, with links that expire at these times. */
  async function listener(
    expiries: readonly (Date | null)[],
    since = ago(24),
  ): Promise<{ userId: bigint; keys: string[] }> {
    const owner = newOwner();
    const rows = expiries.map((expiresAt, index) =>
      ownedRow(owner, { expiresAt, createdAt: new Date(ago(48).getTime() + Math.floor(index / 2)) }),
    );
    await links.insert(rows);
    listeners.push({ userId: owner.userId, since });
    return { userId: owner.userId, keys: rows.map(({ key }) => key) };
  }

  function createJob(places?: number): RestedJob {
    return createExpiredLinksJob({
      nextListener: async (after) =>
        listeners.toSorted((a, b) => Number(a.userId - b.userId)).find(({ userId }) => userId > after),
      settleMs: 60_000,
      ...(places !== undefined && { places }),
    });
  }

  /** One round, or so many steps of it. @returns where it is */
  async function run(job: RestedJob, from?: string, steps = 1_000): Promise<string | undefined> {
    let position = from;
    for (let step = 0; step < steps; step += 1) {
      position = await job.step(db, { position, doneAt: undefined }, () => undefined);
      if (position === undefined) return undefined;
    }
    return position;
  }

  /** The keys of the links with an event since the last call. */
  async function takeEvents(): Promise<string[]> {
    const rows = await db.query<{ event: string; body: string }>('SELECT event, body FROM outbox');
    await db.execute('DELETE FROM outbox');
    for (const { event } of rows) expect(event).to.equal('link.expired');
    return rows.map(({ body }) => parseLinkInEvent(body).link.key).sort();
  }

  /** As if the last walks had ended at this time. */
  async function endedAt(at: Date): Promise<void> {
    await db.execute('UPDATE expiry_marks SET expired_to = ?', [at]);
  }

  it('are written once for each link that has expired since its owner listens', async () => {
    const { keys } = await listener([ago(1), ago(30), null, ago(-1), ago(2)]);
    await run(createJob());
    expect(await takeEvents()).to.have.members([keys[0] ?? '', keys[4] ?? '']);
    await run(createJob());
    expect(await takeEvents()).to.deep.equal([]);
    await endedAt(ago(1.5));
    await run(createJob());
    expect(await takeEvents(), 'since the last walk').to.deep.equal([keys[0]]);
  });

  it('leave a link that has expired just now to the next walk', async () => {
    const { keys } = await listener([new Date(Date.now() - 5_000)]);
    await run(createJob());
    expect(await takeEvents()).to.deep.equal([]);
    await db.execute('UPDATE expiry_marks SET expired_to = expired_to - INTERVAL 5 MINUTE');
    await db.execute('UPDATE urls SET expires_at = expires_at - INTERVAL 2 MINUTE WHERE unique_id = ?', [
      keys[0] ?? '',
    ]);
    await run(createJob());
    expect(await takeEvents()).to.deep.equal(keys);
  });

  it('are not written for deleted links, and not for what expired before somebody listened again', async () => {
    const { userId, keys } = await listener([ago(1), ago(3)]);
    const [deleted = ''] = keys;
    const link = await links.find(deleted);
    if (link === undefined) throw new Error('no link');
    await links.change({ link, change: { kind: 'delete' }, changeId: randomBytes(16).toString('hex') });
    await run(createJob());
    expect(await takeEvents()).to.deep.equal([keys[1]]);
    await endedAt(ago(20));
    listeners = [{ userId, since: ago(2) }];
    await run(createJob());
    expect(await takeEvents()).to.deep.equal([]);
  });

  it('are written for all owners, however many links they have', async () => {
    const expected: string[] = [];
    for (const count of [1, 25, 7, 10]) {
      const { keys } = await listener(
        Array.from({ length: count }, (_, index) => (index % 3 === 0 ? ago(1) : null)),
      );
      expected.push(...keys.filter((_, index) => index % 3 === 0));
    }
    await run(createJob(5));
    expect(await takeEvents()).to.deep.equal(expected.sort());
  });

  it('are written once although the job dies after any step, and another begins again', async () => {
    const { keys } = await listener(
      Array.from({ length: 23 }, (_, index) => (index % 4 === 0 ? ago(1) : null)),
    );
    const written: string[] = [];
    for (let steps = 1; steps <= 8; steps += 1) {
      // Its position is lost.
      await run(createJob(4), undefined, steps);
      written.push(...(await takeEvents()));
    }
    await run(createJob(4));
    written.push(...(await takeEvents()));
    expect(written.sort()).to.deep.equal(keys.filter((_, index) => index % 4 === 0).sort());
  });

  it('are written once although two processes walk at the same time', async () => {
    const { keys } = await listener(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? ago(1) : null)),
    );
    await Promise.all([run(createJob(4)), run(createJob(7)), run(createJob(4))]);
    await run(createJob(4));
    expect(await takeEvents()).to.deep.equal(keys.filter((_, index) => index % 2 === 0).sort());
  });
});
