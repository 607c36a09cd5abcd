import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { startMariaDb } from '../../scripts/servers/mariadb.ts';
import { reservePort } from '../../scripts/servers/ports.ts';
import { ask } from '../../scripts/servers/probe.ts';
import { StartError } from '../../scripts/servers/process.ts';
import { testDatabase, testRedis, testZooKeeper } from '../servers.ts';

describe('servers for tests', () => {
  it('start a MariaDB that requires a password, and give every test its own database', async () => {
    const [first, second] = await Promise.all([testDatabase('keys-db-1'), testDatabase('keys-db-1')]);
    expect(first).not.to.equal(second);
    const connection = await createConnection(first);
    // Other tests of the same run may have created users.
    const [open] = await connection.query(
      "SELECT User FROM mysql.global_priv WHERE User IN ('', 'root', 'mysql') OR (User <> 'mariadb.sys' AND JSON_VALUE(Priv, '$.authentication_string') = '')",
    );
    await connection.end();
    expect(open).to.deep.equal([]);
  });

  it('start the given number of Redis servers', async () => {
    const redis = await testRedis(2);
    expect(redis.map(({ name }) => name)).to.deep.equal(['redis-1', 'redis-2']);
    expect(new URL(redis[0]?.url ?? '').port).not.to.equal(new URL(redis[1]?.url ?? '').port);
  });

  it('start a ZooKeeper ensemble with a leader', async () => {
    const { connect } = await testZooKeeper();
    const ports = [...connect.matchAll(/:(\d+)/g)].map((match) => Number(match[1]));
    const modes = await Promise.all(
      ports.map(
        async (port) =>
          (await ask(port, 'srvr', (answer) => answer.includes('Mode')))?.match(/Mode: (\w+)/)?.[1],
      ),
    );
    expect(modes.toSorted((a, b) => String(a).localeCompare(String(b)))).to.deep.equal([
      'follower',
      'follower',
      'leader',
    ]);
  });
});

describe('a MariaDB server', () => {
  it('is made while an attempt that was killed starts a server, which deletes temporary tables', async function () {
    this.timeout(60_000);
    const dir = mkdtempSync(join(tmpdir(), 'keymill-mariadb-'));
    const tmp = join(dir, 'tmp');
    mkdirSync(tmp);
    const deleting = setInterval(() => {
      for (const name of readdirSync(tmp))
        if (name.startsWith('#sql')) rmSync(join(tmp, name), { force: true });
    }, 1);
    try {
      const logFile = join(dir, 'log');
      const server = await startMariaDb({
        id: 'mysql-1',
        dir,
        logFile,
        password: 'secret',
        flushLogAtCommit: 0,
      });
      await server.stop();
    } finally {
      clearInterval(deleting);
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('that cannot be made says why, and none of the general advice of its installer', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'keymill-mariadb-'));
    try {
      const logFile = join(dir, 'log');
      const options = { id: 'mysql-1', dir, logFile, password: 'secret', redoLog: 'nonsense' };
      const error = await startMariaDb(options).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(StartError);
      if (!(error instanceof StartError)) throw error;
      expect(error.lastLines.join('\n')).to.include('nonsense').and.not.include('jira');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

describe('a ZooKeeper server', () => {
  it('answers srvr, and no other of the four-letter words', async () => {
    const { connect } = await testZooKeeper();
    const port = Number(/:(\d+)/.exec(connect)?.[1]);
    for (const word of ['ruok', 'stat', 'envi', 'conf', 'dump', 'cons', 'wchp', 'mntr']) {
      const answer = await ask(port, word, (text) => text.endsWith('\n'));
      expect(answer, word).to.equal(`${word} is not executed because it is not in the whitelist.\n`);
    }
    expect(await ask(port, 'srvr', (text) => text.includes('Mode'))).to.include('Zookeeper version');
  });
});

describe('reservePort', () => {
  it('gives no port twice before its release', async () => {
    const first = await reservePort(24_500);
    const second = await reservePort(24_500);
    expect(second.port).to.be.greaterThan(first.port);
    first.release();
    const third = await reservePort(first.port);
    expect(third.port).to.equal(first.port);
    second.release();
    third.release();
  });
});
