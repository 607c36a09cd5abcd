import { expect } from 'chai';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { stopAtEnd, testServices } from '../servers.ts';
import type { MysqlServer } from '../servers/services.ts';
import { until } from '../until.ts';
import { errorOf } from './outcome.ts';
import { linkRow, OpenUrlsDbs, randomKey } from './urls-fixture.ts';

const log = createLog('test', 'links-kill', 'silent');

describe('a urls server that is killed', () => {
  const dbs = new OpenUrlsDbs();
  let server: MysqlServer | undefined;

  afterEach(async () => {
    await dbs.closeAll();
    await server?.stop();
  });

  it('has every acknowledged link after its restart, and accepts the unknown ones again', async function () {
    this.timeout(90_000);
    const services = await testServices();
    server = await stopAtEnd(services.startMysql({ id: 'mysql-killed', durable: true }));
    const url = server.url('urls_killed');
    await migrate(url, 'urls', log);
    const db = dbs.open(url);
    await db.verifySlots();

    const acknowledged: string[] = [];
    const failed: string[] = [];
    const bindUntilItFails = async (): Promise<void> => {
      for (;;) {
        const keys = Array.from({ length: 20 }, randomKey);
        const error = await errorOf(db.insert(keys.map((key) => linkRow(key))));
        (error === undefined ? acknowledged : failed).push(...keys);
        if (error !== undefined) {
          expect(error).to.have.property('code').that.is.oneOf(['OUTCOME_UNKNOWN', 'STORE_UNAVAILABLE']);
          return;
        }
      }
    };
    const binders = Array.from({ length: 6 }, bindUntilItFails);
    await until('some links', () => acknowledged.length > 1_000);
    const { port } = server;
    await server.kill();
    await Promise.all(binders);
    await server.restart();
    expect(server.port).to.equal(port);
    await until('the server', async () => (await db.find(['any'])).length === 0);
    await db.verifySlots();
    expect((await db.existing(acknowledged)).size).to.equal(acknowledged.length);
    const lost = new Set(failed).difference(await db.existing(failed));
    await db.insert([...lost].map((key) => linkRow(key)));
    expect((await db.existing(failed)).size).to.equal(failed.length);
  });
});
