import { expect } from 'chai';
import { createEnsembleId, readEnsembleId, replaceEnsembleId } from '../../coordinator/ensemble.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { Harness } from './harness.ts';

describe('the id of the ensemble', () => {
  let harness: Harness;
  let session: Session;
  let other: Session;

  beforeEach(async () => {
    harness = await Harness.start();
    session = await harness.open();
    other = await harness.openDirect();
  });
  afterEach(async () => {
    await harness.stop();
  });

  it('is created once, however many processes create it', async () => {
    const ids = await Promise.all([session, other, session, other].map(createEnsembleId));
    expect(new Set(ids).size).to.equal(1);
    expect(await createEnsembleId(session)).to.equal(ids[0]);
  });

  it('is replaced once, by processes that all saw the old one', async () => {
    const old = await createEnsembleId(session);
    const ids = await Promise.all([session, other].map(async (each) => replaceEnsembleId(each, old)));
    expect(new Set(ids).size).to.equal(1);
    expect(ids[0]).not.to.equal(old);
    expect(await replaceEnsembleId(session, old), 'later').to.equal(ids[0]);
  });

  for (const [what, data] of [
    ['nothing', ''],
    ['bytes', '\u0000\u0007'],
    ['more than a store keeps', 'x'.repeat(100_000)],
  ] as const) {
    it(`counts as missing while ${what} is written there, and is written over it`, async () => {
      await session.ensurePath('/keymill');
      await session.create(PATHS.ensemble, data, { ephemeral: false });
      expect(await readEnsembleId(session)).to.equal(undefined);
      const id = await createEnsembleId(session);
      expect(await readEnsembleId(session)).to.equal(id);
    });
  }
});

describe('the current transaction number of the ensemble', () => {
  it('is above the czxid of every node that was created before, and rises', async () => {
    const harness = await Harness.start();
    try {
      const [session, other] = [await harness.open(), await harness.openDirect()];
      for (let time = 0; time < 5; time += 1) {
        await other.create(`/node-${time}`, '', { ephemeral: true });
        const czxid = (await other.exists(`/node-${time}`))?.czxid ?? 0n;
        const zxid = await session.currentZxid();
        expect(zxid > czxid).to.equal(true);
        expect((await other.currentZxid()) > zxid).to.equal(true);
      }
    } finally {
      await harness.stop();
    }
  });
});
