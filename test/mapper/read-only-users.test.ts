import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { until } from '../until.ts';
import { send } from './client.ts';
import { createWorld } from './world.ts';

describe('a users database that takes no changes', function () {
  this.timeout(60_000);

  it('is named in /readyz, and no longer when it takes changes again', async () => {
    await using world = await createWorld({ hasUsers: true });
    const url = new URL(world.usersUrl);
    await using admin = await createConnection(world.usersUrl);
    // Operators write to a server that is read-only.
    const [user, password] = [`m${randomBytes(4).toString('hex')}`, randomBytes(12).toString('hex')];
    await admin.query(`CREATE USER '${user}'@'127.0.0.1' IDENTIFIED BY '${password}'`);
    await admin.query(`GRANT ALL ON ${url.pathname.slice(1)}.* TO '${user}'@'127.0.0.1'`);
    [url.username, url.password] = [user, password];
    const mapper = await world.start({ stores: { usersDb: { url: url.href } } });
    const degraded = async (): Promise<string> =>
      JSON.stringify((await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded']);
    await until('all stores', async () => (await degraded()) === '[]');
    await admin.query('SET GLOBAL read_only = 1');
    try {
      await until('its name', async () => (await degraded()).includes('"users writes"'));
      expect((await send('GET', `${mapper.adminUrl}/readyz`)).status).to.equal(200);
    } finally {
      await admin.query('SET GLOBAL read_only = 0');
    }
    await until('all stores', async () => (await degraded()) === '[]');
  });
});
