import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { claimRange } from '../../db/keys-db/claims.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { codeOf } from '../../runtime/errors.ts';
import { until } from '../until.ts';
import { openKeysDbAt, partsFor, reigning, type TestKeysDb } from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';
import { startWire, through } from './wire.ts';

/** A second session, for transactions that stay open across statements. */
async function connect(test: TestKeysDb): Promise<Connection> {
  return createConnection(test.url);
}

/** Locks the row that every claim locks, until the transaction ends. */
async function lockOwnership(blocker: Connection): Promise<void> {
  await blocker.query('START TRANSACTION');
  await blocker.query('SELECT * FROM ownership WHERE id = 1 FOR UPDATE');
}

/**
 * Waits until a claim waits for a row lock. The server renews this table only after 0.1 s without a query of
 * it.
 */
async function claimToWait(test: TestKeysDb): Promise<unknown> {
  const sql = `SELECT 1 FROM information_schema.innodb_trx
                WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE 'INSERT INTO batches%'`;
  return until('the claim to wait', async () => (await test.sql.query(sql)).length > 0, { everyMs: 130 });
}

describe('keys-db: claims', () => {
  it('cover exactly the generated ids, in order, without overlap', async () => {
    await using test = await reigning(1_000);
    const { generatedTo } = await test.db.ownership();
    const ranges: [number, number][] = [];
    for (let seq = 1; ; seq += 1) {
      const batch = await test.db.claim({ epoch: 1, count: 300, parts: partsFor(seq) });
      if (!batch) break;
      expect(batch).to.include({ id: seq, kind: 'range', epoch: 1 });
      ranges.push([batch.firstId, batch.lastId]);
    }
    expect(ranges[0]?.[0]).to.equal(1);
    expect(ranges.at(-1)?.[1]).to.equal(generatedTo);
    ranges.slice(1).forEach(([first], i) => expect(first).to.equal((ranges[i]?.[1] ?? 0) + 1));
    expect(await test.db.counts()).to.deep.equal({ unused: 0, used: 1_000 });
    await using sql = openMysql(test.url, { name: 'operator' });
    expect(await sql.query('SELECT claimed_to FROM ownership')).to.deep.equal([{ claimed_to: generatedTo }]);
  });

  it('fix pools and sequence numbers, also for pools that later batches leave out', async () => {
    await using test = await reigning(100);
    await test.db.claim({
      epoch: 1,
      count: 10,
      parts: [
        { pool: 'redis-1', seq: 7 },
        { pool: 'redis-2', seq: 3 },
      ],
    });
    const batch = await test.db.claim({ epoch: 1, count: 10, parts: [{ pool: 'redis-1', seq: 8 }] });
    expect(batch?.parts).to.deep.equal([{ pool: 'redis-1', seq: 8, isDelivered: false }]);
    expect([...(await test.db.logEnd()).lastSeqs]).to.have.deep.members([
      ['redis-1', 8],
      ['redis-2', 3],
    ]);
    expect(await test.db.pendingBatches()).to.have.length(2);
  });

  it('are refused when the log is ahead of the claimant, or behind', async () => {
    await using test = await reigning(100);
    const claim = async (after: number, seq: number) =>
      rejection(test.db.claim({ epoch: 1, after, count: 10, parts: partsFor(seq) }));
    await test.db.claim({ epoch: 1, after: 0, count: 10, parts: partsFor(1) });
    expect(await claim(0, 2)).to.have.property('code', 'OUTCOME_UNKNOWN');
    expect(await claim(2, 2)).to.have.property('code', 'FENCED');
    expect(
      await rejection(test.db.claimRecycled({ epoch: 1, after: 0, ids: [1], parts: partsFor(2) })),
    ).to.have.property('code', 'OUTCOME_UNKNOWN');
    expect((await test.db.logEnd()).lastBatch).to.equal(1);
    await test.db.claim({ epoch: 1, after: 1, count: 10, parts: partsFor(2) });
    expect((await test.db.logEnd()).lastBatch).to.equal(2);
  });

  it('never assign a sequence number twice', async () => {
    await using test = await reigning(100);
    await test.db.claim({ epoch: 1, count: 10, parts: partsFor(5) });
    const error = await rejection(test.db.claim({ epoch: 1, count: 10, parts: partsFor(5) }));
    expect(error.message).to.contain('assigned before');
    expect(await test.db.pendingBatches()).to.have.length(1);
  });

  it('are refused under an old epoch', async () => {
    await using test = await reigning(100);
    await test.db.raiseEpoch({ czxid: 20n, ensemble: 'ensemble-a', owner: 'producer-2' });
    expect(await rejection(test.db.claim({ epoch: 1, count: 10, parts: partsFor(1) }))).to.have.property(
      'code',
      'FENCED',
    );
    expect(
      await rejection(test.db.claimRecycled({ epoch: 1, ids: [1], parts: partsFor(1) })),
    ).to.have.property('code', 'FENCED');
    expect(await test.db.pendingBatches()).to.deep.equal([]);
  });

  for (const isolation of ['READ COMMITTED', 'REPEATABLE READ'] as const) {
    it(`that race a raise never commit after it (${isolation})`, async () => {
      await using test = await reigning(100);
      await using mine = openMysql(test.url, { name: 'keys-db-1', isolation });
      const successor = await connect(test);
      try {
        await successor.query('START TRANSACTION');
        await successor.query('UPDATE ownership SET epoch = epoch + 1, czxid = 20 WHERE id = 1');
        const claim = rejection(claimRange(mine, { epoch: 1, count: 10, parts: partsFor(1) }));
        // It has read the old epoch (the raise is not committed), and now waits for the row.
        await claimToWait(test);
        await successor.query('COMMIT');
        expect(await claim).to.have.property('code', 'FENCED');
        expect(await test.db.pendingBatches()).to.deep.equal([]);
      } finally {
        await successor.end();
      }
    });

    it(`and raises in any order leave a log in which no epoch falls (${isolation})`, async () => {
      await using test = await reigning(20_000);
      await using mine = openMysql(test.url, { name: 'keys-db-1', isolation, connections: 4 });
      const over = new AbortController();
      const claimant = async (): Promise<void> => {
        while (!over.signal.aborted) {
          const { epoch } = await test.db.ownership();
          const seq = Math.max(0, ...(await test.db.logEnd()).lastSeqs.values()) + 1;
          await claimRange(mine, { epoch, count: 7, parts: partsFor(seq) }).catch((error: unknown) => {
            if (!['FENCED', 'OUTCOME_UNKNOWN', 'STORE_REFUSED'].includes(codeOf(error))) throw error;
          });
        }
      };
      const claimants = Promise.all([claimant(), claimant(), claimant()]);
      for (let round = 1; round <= 20; round += 1) {
        const proof = { czxid: BigInt(100 + round), ensemble: 'ensemble-a', owner: `producer-${round}` };
        const epoch = await test.db.raiseEpoch(proof);
        const sql = 'SELECT 1 FROM batches WHERE epoch = ?';
        await until(
          'a claim of the new reign',
          async () => (await test.sql.query(sql, [epoch ?? 0])).length > 0,
        );
      }
      over.abort();
      await claimants;
      const rows = await test.sql.queryArrays<[number, number, number, number]>(
        'SELECT id, epoch, first_id, last_id FROM batches ORDER BY id',
      );
      expect(rows.length).to.be.at.least(20);
      rows.forEach(([id, epoch, first], i) => {
        expect(id).to.equal(i + 1);
        expect(first).to.equal((rows[i - 1]?.[3] ?? 0) + 1);
        expect(epoch).to.be.at.least(rows[i - 1]?.[1] ?? 0);
      });
    });
  }

  it('at the same time under one epoch get distinct ranges or an error, never the same keys', async () => {
    await using test = await reigning(1_000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) =>
        test.db.claim({ epoch: 1, count: 50, parts: [{ pool: `p${i}`, seq: 1 }] }),
      ),
    );
    const claimed = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(claimed.length).to.be.at.least(1);
    expect(new Set(claimed.map((batch) => batch?.firstId)).size).to.equal(claimed.length);
    expect(await test.db.pendingBatches()).to.have.deep.members(claimed);
  });

  it('are made once when the answer is lost', async () => {
    await using test = await reigning(100);
    await using wire = await startWire(test.url);
    await using db = openKeysDbAt(through(wire, test.url));
    wire.cutBeforeReplyTo((sent) => sent.includes('INSERT INTO batches'));
    const batch = await db.claim({ epoch: 1, count: 10, parts: partsFor(1) });
    expect(wire.accepted, 'connections: the first was cut').to.equal(2);
    expect(batch).to.include({ id: 1, firstId: 1, lastId: 10 });
    expect(await test.db.pendingBatches()).to.deep.equal([batch]);
  });

  it('are made once when the connection breaks while they run, however late the first one commits', async () => {
    await using test = await reigning(100);
    await using wire = await startWire(test.url);
    await using db = openKeysDbAt(through(wire, test.url));
    const blocker = await connect(test);
    try {
      await lockOwnership(blocker);
      const claim = db.claim({ epoch: 1, count: 10, parts: partsFor(1) });
      await claimToWait(test);
      wire.cut();
      await until('the repeated claim to connect', () => wire.accepted >= 2);
      await blocker.query('COMMIT');
      const batch = await claim;
      expect(await test.db.pendingBatches()).to.deep.equal([batch]);
    } finally {
      await blocker.end();
    }
  });

  it('fail as unavailable while another session locks the row, and write nothing', async () => {
    await using test = await reigning(100);
    const blocker = await connect(test);
    try {
      await lockOwnership(blocker);
      const startedAt = performance.now();
      const error = await rejection(test.db.claim({ epoch: 1, count: 10, parts: partsFor(1) }));
      expect(error).to.have.property('code', 'STORE_UNAVAILABLE');
      expect(performance.now() - startedAt).to.be.within(1_000, 4_000);
      expect(await test.db.pendingBatches()).to.deep.equal([]);
    } finally {
      await blocker.end();
    }
  });
});
