import { expect } from 'chai';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { hasLooseEnd } from '../../db/keyspace/loose-ends.ts';
import { findWords } from '../../db/keyspace/reserved.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { pause } from '../../runtime/retry.ts';
import {
  keyspace,
  openKeysDbAt,
  partsFor,
  reigning,
  testKeysDb,
  type TestKeysDb,
} from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';
import { startWire, through } from './wire.ts';

async function stored(test: TestKeysDb): Promise<[number, string][]> {
  return test.sql.queryArrays<[number, string]>('SELECT id, unique_id FROM `keys` ORDER BY id');
}

describe('keys-db: generation', () => {
  it('adds exactly the requested keys, of the right region, and skips keys that must not be issued', async () => {
    await using test = await reigning(0, { region: 3 });
    const seen: number[] = [];
    const generatedTo = await test.db.generate({
      count: 170_000,
      epoch: 1,
      onProgress: (added) => seen.push(added),
    });
    const rows = await stored(test);
    expect(rows).to.have.length(170_000);
    expect(rows.at(-1)?.[0]).to.be.at.most(generatedTo);
    const all = keyspace.keysOf(3, 1, generatedTo);
    const words = findWords(all.join(' '), 8).filter((i) => !hasLooseEnd(all[i] ?? ''));
    const loose = all.filter(hasLooseEnd).length;
    expect(words).to.have.length.above(10);
    expect(loose).to.be.above(10_000);
    expect(generatedTo - 170_000).to.equal(words.length + loose);
    expect(rows.filter(([id, key]) => hasLooseEnd(key) || all[id - 1] !== key)).to.deep.equal([]);
    expect(await test.sql.queryArrays<[number]>('SELECT id FROM gaps ORDER BY id')).to.deep.equal(
      words.map((i) => [i + 1]),
    );
    expect(await test.db.counts()).to.deep.equal({ unused: 170_000, used: 0 });
    expect(seen.at(-1)).to.equal(170_000);
    expect(seen.length).to.be.above(1);
  });

  it('continues over the rows left by a generator that died', async () => {
    await using test = await reigning(1_000);
    const { generatedTo } = await test.db.ownership();
    // It had inserted a range and part of the next, and published neither. It was of a release that still
    // generated keys with loose ends.
    const leftovers = keyspace
      .keysOf(0, generatedTo + 1, 5_000)
      .flatMap((key, i) =>
        i % 3 === 0 && findWords(key, 8).length === 0 ? [{ id: generatedTo + 1 + i, key }] : [],
      );
    const rows = leftovers.map(({ id, key }) => `(${id}, '${key}')`);
    await test.sql.execute(`INSERT INTO \`keys\` (id, unique_id) VALUES ${rows.join(',')}`);
    await test.db.generate({ count: 20_000, epoch: 1 });
    const loose = leftovers.filter(({ key }) => hasLooseEnd(key)).length;
    expect(loose).to.be.above(50);
    expect(await stored(test)).to.have.length(21_000 + loose);
    expect(await test.db.counts()).to.deep.equal({ unused: 21_000 + loose, used: 0 });
  });

  it('completes beside a generator that publishes little and often, like a holder', async () => {
    await using test = await reigning(0);
    await using holder = openKeysDbAt(test.url);
    const done = new AbortController();
    let trickled = 0;
    const trickle = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const startedMs = monotonicMs();
        await holder.generate({ count: 2_000, epoch: 1 });
        trickled += 2_000;
        await pause(4 * (monotonicMs() - startedMs));
      }
    };
    await Promise.all([trickle(), test.db.generate({ count: 200_000 }).finally(() => done.abort())]);
    expect(await stored(test)).to.have.length.at.least(200_000 + trickled);
    expect(trickled).to.be.above(2_000);
  });

  it('by two at the same time gives each its keys, and no key twice', async () => {
    await using test = await reigning(0);
    await Promise.all([
      test.db.generate({ count: 30_000, epoch: 1 }),
      test.db.generate({ count: 30_000 }),
      (async () => {
        await using other = openKeysDbAt(test.url);
        await other.generate({ count: 30_000 });
      })(),
    ]);
    const rows = await stored(test);
    expect(rows).to.have.length(90_000);
    expect(new Set(rows.map(([, key]) => key)).size).to.equal(90_000);
    expect(await test.db.counts()).to.deep.equal({ unused: 90_000, used: 0 });
  });

  for (const [what, statement] of [
    ['an INSERT', 'INSERT INTO `keys`'],
    ['the publication', 'SET generated_to'],
    ['the record of gaps', 'INSERT INTO gaps'],
  ] as const) {
    it(`adds exactly the requested keys when the answer to ${what} is cut off`, async () => {
      await using test = await reigning(0);
      await using wire = await startWire(test.url);
      const url = through(wire, test.url);
      await using db = openKeysDbAt(url);
      wire.cutBeforeReplyTo((sent) => sent.includes(statement));
      await db.generate({ count: 30_000, epoch: 1 });
      expect(wire.accepted - wire.open, 'connections cut').to.equal(1);
      expect(await stored(test)).to.have.length(30_000);
      expect(await test.db.counts()).to.deep.equal({ unused: 30_000, used: 0 });
    });
  }

  it('refuses rows that were made with another secret', async () => {
    await using test = await reigning(0);
    await test.sql.execute('INSERT INTO `keys` (id, unique_id) VALUES (99999999, ?)', [
      keyspace.keysOf(0, 5, 1)[0] ?? '',
    ]);
    expect(await rejection(test.db.generate({ count: 100, epoch: 1 }))).to.have.property('code', 'MISMATCH');
    expect((await test.db.ownership()).generatedTo).to.equal(0);
  });

  it('is refused under an old epoch, and works in any reign without one', async () => {
    await using test = await reigning(0);
    await test.db.raiseEpoch({ czxid: 20n, ensemble: 'ensemble-a', owner: 'producer-2' });
    expect(await rejection(test.db.generate({ count: 10, epoch: 1 }))).to.have.property('code', 'FENCED');
    await test.db.generate({ count: 10 });
    expect(await test.db.counts()).to.deep.equal({ unused: 10, used: 0 });
  });

  it('publishes nothing more after another reign has begun', async () => {
    await using test = await reigning(0);
    const generating = test.db.generate({
      count: 1_000_000,
      epoch: 1,
      onProgress: (added) => {
        if (added < 110_000)
          void test.db.raiseEpoch({ czxid: 20n, ensemble: 'ensemble-a', owner: 'producer-2' });
      },
    });
    expect(await rejection(generating)).to.have.property('code', 'FENCED');
    const { generatedTo } = await test.db.ownership();
    expect(generatedTo).to.be.within(100_000, 300_000);
    await test.db.generate({ count: 100_000, epoch: 2 });
    expect(await stored(test)).to.have.length((await test.db.counts()).unused);
  });

  it('stops on its signal, and keeps the published keys', async () => {
    await using test = await reigning(0);
    const controller = new AbortController();
    const generating = test.db.generate({
      count: 1_000_000,
      epoch: 1,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    expect((await rejection(generating)).message).to.equal('enough');
    expect((await test.db.counts()).unused).to.be.within(90_000, 110_000);
  });

  it('ends when its region is full', async () => {
    const tiny = createKeyspace({ length: 6, secret: 'a secret of the tests', regionBits: 4 });
    await using test = await testKeysDb({ keyspace: tiny });
    await test.sql.execute('UPDATE ownership SET generated_to = ?', [tiny.maxId - 1_000]);
    const error = await rejection(test.db.generate({ count: 5_000 }));
    expect(error.message).to.contain(`all ${tiny.maxId} keys`);
    expect((await test.db.ownership()).generatedTo, 'what fitted is there').to.equal(tiny.maxId);
    expect((await stored(test)).at(-1)?.[0]).to.be.within(tiny.maxId - 10, tiny.maxId);
  });

  it('counts a large keys-db by a sample, because operators wait for it', async () => {
    await using test = await reigning(0);
    await test.sql.execute(
      "INSERT INTO `keys` (id, unique_id) SELECT seq, LPAD(seq, 8, 'A') FROM seq_1_to_10000000_step_100",
      [],
      { timeoutMs: 20_000 },
    );
    await test.sql.execute('UPDATE ownership SET generated_to = 10000000');
    const { unused, used } = await test.db.counts();
    expect(unused).to.be.within(99_000, 101_000);
    expect(used).to.equal(0);
    expect(await test.db.countExactly(1, 10_000_000), 'for the audit').to.equal(100_000);
  });

  it('makes keys whose slot the database computes to the same number', async () => {
    await using test = await reigning(500);
    await test.db.claim({ epoch: 1, count: 500, parts: partsFor(1) });
    const rows = await test.sql.queryArrays<[string, number]>(
      'SELECT unique_id, CRC32(unique_id) % 32 FROM `keys`',
    );
    for (const [key, slot] of rows) expect(slotOf(key)).to.equal(slot);
  });
});
