import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { createImportWorld, manyLinks, type ImportWorld } from '../../operator/import-world.ts';
import { until } from '../../until.ts';
import { People } from '../api/people.ts';
import { send } from '../client.ts';
import { isBindingOfImport, viaProxy } from '../faulty.ts';
import { startMapperProcess, type MapperProcess, type MapperStores } from '../mapper-process.ts';

const RECORDS = 6_000;

describe('POST /import: a mapper is killed', () => {
  let world: ImportWorld;
  const children: ChildProcess[] = [];
  before(async () => {
    world = await createImportWorld({ keys: RECORDS });
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  async function start(urls: MapperStores['urls'] = world.world.urls): Promise<MapperProcess> {
    const { redis, usersUrl } = world.world;
    return startMapperProcess({ redis, urls }, (child) => children.push(child), {
      KEYMILL_USERS_DB: usersUrl,
    });
  }

  it('another one goes on, and makes no link twice', async function () {
    this.timeout(60_000);
    await using people = new People(world.world.usersUrl);
    const cookie = await people.session(await people.person());
    const ask = async (mapper: MapperProcess, method: string, path: string, body?: string) =>
      send(method, mapper.url + path, {
        headers: { cookie, host: 'localhost', ...(body !== undefined && { 'content-type': 'text/csv' }) },
        ...(body !== undefined && { body }),
      });
    const [server, ...others] = world.world.urls;
    if (server === undefined) return;
    const { proxy, ...proxied } = await viaProxy(server);
    await using _ = proxy;
    // Each batch has a transaction on each server: three are bound at most, however late the kill is.
    let bindings = 0;
    proxy.silenceFrom((sent) => isBindingOfImport(sent) && ++bindings > 3);
    const first = await start([proxied, ...others]);
    const isServed = async (): Promise<boolean> => (await ask(first, 'GET', '/import')).status === 200;
    await until('the users database to be reached', isServed);
    const begun = await ask(first, 'POST', '/import', manyLinks(RECORDS));
    expect(begun.status, begun.text).to.equal(202);
    const { id } = begun.json() as { id: string };
    await until('some batches to be done', async () => {
      const done = await world.query('SELECT 1 FROM import_batches WHERE outcome IS NOT NULL');
      return done.length >= 2;
    });
    first.child.kill('SIGKILL');
    await first.exited;
    proxy.heal();
    expect((await world.links()).length).to.be.within(1_000, RECORDS - 1_000);
    // As if half a minute had passed.
    const sql = await createConnection(world.world.usersUrl);
    await sql.execute('UPDATE import_jobs SET held_until = UTC_TIMESTAMP(3)');
    await sql.end();
    const second = await start();
    const said = await until(
      'the import to end',
      async () => {
        const { state, ...others } = (await ask(second, 'GET', `/import/${id}`)).json();
        return state === 'done' ? others : undefined;
      },
      { timeoutMs: 40_000 },
    );
    const good = RECORDS - RECORDS / 100;
    expect(said).to.deep.include({ stored: good, refused: { 'bad-target': RECORDS / 100 } });
    const targets = (await world.links()).map(({ target }) => target);
    expect(targets).to.have.length(good);
    expect(new Set(targets).size).to.equal(good);
    const report = (await ask(second, 'GET', `/import/${id}/report`)).text.trimEnd().split('\n');
    expect(report).to.have.length(RECORDS);
  });
});
