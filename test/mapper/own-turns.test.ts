import { expect } from 'chai';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { Turns } from '../../mapper/links/turns.ts';
import { errorOf } from '../db/outcome.ts';
import { startWire, through } from '../db/wire.ts';
import {
  changedLink,
  createOwnLinksWorld,
  newOwner,
  openOwnLinks,
  ownedRow,
  whyRefused,
  type OwnLinksWorld,
} from './own-links-fixture.ts';

describe('turns', () => {
  const OPTIONS = { maxWaiting: 3, maxOfKey: 2, waitMs: 50 };

  it('are taken one after another for a key, in the order of their calls, and say whether they waited', async () => {
    const turns = new Turns({ ...OPTIONS, maxOfKey: 3, waitMs: 5_000 });
    const done: string[] = [];
    const work = (name: string) => async (hasWaited: boolean) => {
      done.push(`${name} ${hasWaited ? 'waited' : 'began'}`);
      await Promise.resolve();
      done.push(`${name} ended`);
    };
    await Promise.all([turns.take('a', work('1')), turns.take('a', work('2')), turns.take('a', work('3'))]);
    expect(done).to.deep.equal(['1 began', '1 ended', '2 waited', '2 ended', '3 waited', '3 ended']);
  });

  it('are taken by a few at a time where there are more', async () => {
    const turns = new Turns({ maxWaiting: 9, maxOfKey: 4, waitMs: 5_000, atOnce: 2 });
    const { promise: gate, resolve: open } = Promise.withResolvers<string>();
    let running = 0;
    const work = async (hasWaited: boolean): Promise<boolean> => {
      running += 1;
      await gate;
      return hasWaited;
    };
    const all = [1, 2, 3, 4].map(async () => turns.take('a', work));
    expect(await errorOf(turns.take('a', work))).to.have.property('code', 'NO_TURN');
    expect(running).to.equal(2);
    open('opened');
    expect(await Promise.all(all)).to.deep.equal([false, false, true, true]);
    expect(await turns.take('a', work)).to.equal(false);
  });

  it('go on after work that fails', async () => {
    const turns = new Turns(OPTIONS);
    const failing = turns.take('a', async () => Promise.reject(new Error('no')));
    const next = turns.take('a', async () => 'done');
    expect(await errorOf(failing)).to.have.property('message', 'no');
    expect(await next).to.equal('done');
  });

  it('are waited for until a deadline, and only by so many', async () => {
    const turns = new Turns(OPTIONS);
    const { promise: gate, resolve: open } = Promise.withResolvers<string>();
    const held = turns.take('a', async () => gate);
    const late = errorOf(turns.take('a', async () => 'late'));
    expect(await errorOf(turns.take('a', async () => 'third'))).to.have.property('code', 'NO_TURN');
    const other = turns.take('b', async () => gate);
    expect(await errorOf(turns.take('c', async () => 'fourth'))).to.have.property('code', 'NO_TURN');
    expect(await late).to.have.property('code', 'NO_TURN');
    // The place of the one that gave up is free.
    const after = turns.take('a', async () => 'after');
    open('opened');
    expect(await Promise.all([held, other, after])).to.deep.equal(['opened', 'opened', 'after']);
  });
});

describe('changes that wait for others of the same link', () => {
  let world: OwnLinksWorld;

  before(async () => {
    world = await createOwnLinksWorld();
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** A row on the first server, or on the second. */
  function rowOn(index: number, owner = newOwner()): ReturnType<typeof ownedRow> {
    for (;;) {
      const row = ownedRow(owner);
      if (world.servers[index]?.db.slots.includes(row.slot) === true) return row;
    }
  }

  it('are refused after a while when the server hangs, and those of other servers go on', async () => {
    const owner = newOwner();
    const [hanging, free] = [rowOn(0, owner), rowOn(1, owner)];
    await world.make(hanging, free);
    const [first, second] = world.servers;
    if (first === undefined || second === undefined) throw new Error('two servers');
    await using wire = await startWire(first.url);
    const { slots } = first.db;
    const db = openOwnLinksDb({ name: 'urls-1', url: through(wire, first.url), slots, timeoutMs: 1_000 });
    const change = db.change.bind(db);
    db.change = async (given) => {
      wire.silence();
      return change(given);
    };
    const links = openOwnLinks([{ ...first, db }, second]);
    const startedAt = performance.now();
    const stuck = Array.from({ length: 1_200 }, async () =>
      errorOf(links.change(owner, hanging.key, { title: 'T' })),
    );
    expect(changedLink(await links.change(owner, free.key, { title: 'T' })).version).to.equal(2);
    const errors = await Promise.all(stuck);
    expect(performance.now() - startedAt).to.be.lessThan(9_000);
    expect(errors.filter((error) => error instanceof StoreUnavailableError).length).to.be.above(1_000);
    wire.heal();
    await db.close();
  });

  it('are none of people who may not change it', async () => {
    const owner = newOwner();
    const row = rowOn(0, owner);
    await world.make(row);
    const [first] = world.servers;
    if (first === undefined) throw new Error('a server');
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const db = openOwnLinksDb({ name: 'urls-1', url: first.url, slots: first.db.slots });
    const change = db.change.bind(db);
    db.change = async (given) => {
      await gate;
      return change(given);
    };
    const links = openOwnLinks([{ ...first, db }]);
    const own = links.change(owner, row.key, { title: 'T' });
    const foreign = await links.change(newOwner(), row.key, { title: 'F' });
    expect(whyRefused(foreign)).to.equal('unknown');
    open();
    expect(changedLink(await own).title).to.equal('T');
    await db.close();
  });
});
