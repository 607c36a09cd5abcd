import { expect } from 'chai';
import { openImportsDb } from '../../../db/imports/imports-db.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import { BatchStore } from '../../../mapper/import-jobs/batch-store.ts';
import type { ImportOrder, ImportPorts } from '../../../mapper/import-jobs/ports.ts';
import type { ImportOutcome } from '../../../mapper/import-jobs/stored-outcome.ts';
import type { TakenLink } from '../../../mapper/import/outcome.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { readAll } from '../import/reading.ts';
import { createWorld, randomKeys, type World } from '../world.ts';

const SIGNAL = new AbortController().signal;

describe('a batch of an import', () => {
  let world: World;
  let imports = 0;
  const close = new AsyncDisposableStack();
  before(async () => {
    world = close.use(await createWorld());
  });
  after(async () => close.disposeAsync());

  /** The stores of one process, with keys that the test knows. */
  function open(
    keys: string[],
    onTaken: () => Promise<void> = async () => undefined,
  ): { ports: ImportPorts; returned: string[] } {
    const returned: string[] = [];
    const servers = world.urls.map((urlsDb) => {
      const db = openImportsDb(urlsDb);
      const ownLinks = openOwnLinksDb(urlsDb);
      close.defer(async () => db.close());
      close.defer(async () => ownLinks.close());
      return { imports: db, ownLinks, expectForeignCodes: async () => undefined };
    });
    const ports: ImportPorts = {
      servers,
      keys: {
        take: async (count) => {
          const taken = keys.splice(0, count);
          await onTaken();
          return taken;
        },
        putBack: async (given) => void returned.push(...given),
      },
      announce: { changed: async () => undefined, appeared: async () => undefined },
      now: monotonicMs,
    };
    return { ports, returned };
  }

  const newOrder = (): ImportOrder => ({
    importId: (imports += 1).toString(16).padStart(32, '0'),
    ownerId: null,
    onConflict: 'skip',
    batchesAtOnce: 1,
    patienceMs: 1_000,
  });
  const storeOf = (ports: ImportPorts, order: ImportOrder): BatchStore =>
    new BatchStore(ports, order, new Date(), SIGNAL);

  /** @param rows the cells of `url,code` */
  async function linksOf(...rows: string[]): Promise<TakenLink[]> {
    const { outcomes } = await readAll(`url,code\n${rows.join('\n')}\n`);
    return outcomes as TakenLink[];
  }

  async function bindByOther(key: string): Promise<void> {
    const slot = slotOf(key);
    const server = world.urls.find(({ slots }) => slots.includes(slot));
    await server?.sql.execute(
      "INSERT INTO urls (slot, unique_id, original_url, created_at, request_id) VALUES (?, ?, 'https://other.example/', NOW(3), 'somebody else...')",
      [slot, key],
    );
  }

  const keysOf = (outcomes: readonly ImportOutcome[]): (string | undefined)[] =>
    outcomes.map((outcome) => ('result' in outcome ? outcome.unique_id : undefined));

  it('binds the keys that were fixed, also in another process after a kill', async () => {
    const order = newOrder();
    const links = await linksOf('https://e.example/1,', 'https://e.example/2,');
    const [a, b, c, d] = randomKeys(4) as [string, string, string, string];
    await storeOf(open([a, b]).ports, order).prepare(0, links);
    const later = storeOf(open([c, d]).ports, order);
    expect(keysOf(await later.store(await later.prepare(0, links)))).to.deep.equal([a, b]);
    expect(await world.rows([c, d])).to.deep.equal([]);
  });

  it('is bound once by two processes at the same time, and the keys of one go back', async () => {
    const order = newOrder();
    const links = await linksOf(...Array.from({ length: 50 }, (_, i) => `https://e.example/both/${i},`));
    // Neither fixes its keys before the other one has taken some.
    const { promise: bothHaveTaken, resolve } = Promise.withResolvers<void>();
    let takes = 0;
    const onTaken = async (): Promise<void> => {
      if ((takes += 1) === 2) resolve();
      return bothHaveTaken;
    };
    const [first, second] = [open(randomKeys(50), onTaken), open(randomKeys(50), onTaken)];
    const outcomes = await Promise.all(
      [first, second].map(async ({ ports }) => {
        const store = storeOf(ports, order);
        return store.store(await store.prepare(0, links));
      }),
    );
    expect(outcomes[0]).to.deep.equal(outcomes[1]);
    const keys = keysOf(outcomes[0] ?? []) as string[];
    expect(await world.rows(keys)).to.have.length(50);
    expect([...first.returned, ...second.returned]).to.have.length(50);
    expect(await world.rows([...first.returned, ...second.returned])).to.deep.equal([]);
  });

  it('gets other keys for those that somebody else has bound meanwhile', async () => {
    const order = newOrder();
    const links = await linksOf('https://e.example/a,', 'https://e.example/b,', 'https://e.example/c,');
    const [a, b, c, d] = randomKeys(4) as [string, string, string, string];
    const { ports } = open([a, b, c, d]);
    const store = storeOf(ports, order);
    const prepared = await store.prepare(0, links);
    await bindByOther(b);
    expect(keysOf(await store.store(prepared))).to.deep.equal([a, d, c]);
    const again = storeOf(open([]).ports, order);
    expect(keysOf(await again.store(await again.prepare(0, links)))).to.deep.equal([a, d, c]);
  });

  it('goes on when a part of it was bound before a kill', async () => {
    const order = newOrder();
    const codes = randomKeys(40);
    const links = await linksOf(...codes.map((code, i) => `https://e.example/${i},${code}`));
    const { ports } = open([]);
    const [one, two] = ports.servers;
    const broken = {
      ...ports,
      servers: [
        one,
        {
          ...two,
          imports: {
            ...two?.imports,
            slots: two?.imports.slots,
            bind: async () => Promise.reject(new Error('killed')),
          },
        },
      ],
    } as unknown as ImportPorts;
    const store = storeOf(broken, order);
    await store.store(await store.prepare(0, links)).then(
      () => expect.fail('it was stored'),
      (error: unknown) => expect(String(error)).to.include('killed'),
    );
    const bound = await world.rows(codes);
    expect(bound.length).to.be.within(1, 39);
    const later = storeOf(ports, order);
    expect(keysOf(await later.store(await later.prepare(0, links)))).to.deep.equal(codes);
    expect(await world.rows(codes)).to.have.length(40);
  });

  it('keeps the first of two links with one code, and a key of ours that a code spells goes to the code', async () => {
    const order = newOrder();
    const [code, key] = randomKeys(2) as [string, string];
    const links = await linksOf(
      `https://e.example/1,${code}`,
      'https://e.example/2,',
      `https://e.example/3,x`,
    );
    const twice = [
      ...links.slice(0, 2),
      { ...(links[2] as TakenLink), link: { ...(links[2] as TakenLink).link, code } },
    ];
    const store = storeOf(open([code, key]).ports, order);
    const outcomes = await store.store(await store.prepare(0, twice));
    expect(keysOf(outcomes)).to.deep.equal([code, key, undefined]);
    expect(outcomes[2]).to.include({ reason: 'taken-code' });
  });

  it('is repeated while a server does not answer, and then says which one', async () => {
    const order = { ...newOrder(), patienceMs: 100 };
    const links = await linksOf('https://e.example/x,');
    const { ports } = open(randomKeys(1));
    for (const { imports: db } of ports.servers) await db.close();
    const store = storeOf(ports, order);
    await store.prepare(0, links).then(
      () => expect.fail('it was prepared'),
      (error: unknown) => expect(String(error)).to.match(/urls-\d/),
    );
  });
});
