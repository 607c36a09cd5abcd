import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { ask } from '../../scripts/servers/probe.ts';
import { testServices } from '../servers.ts';
import { until } from '../until.ts';
import type { Ensemble, MysqlServer, RedisServer, Server, Services } from './services.ts';

/** How long a client waits before a server counts as silent. */
const SILENCE_MS = 700;

/** The contract of both implementations. SERVICES chooses which one is tested. */
describe(`servers for tests (${process.env['SERVICES'] ?? 'local'})`, function () {
  this.timeout(300_000);
  let services: Services;

  before(async () => {
    services = await testServices();
  });

  describe('a Redis', () => {
    let server: RedisServer;

    before(async () => {
      server = await services.startRedis({ id: 'contract-redis', databases: 3, cuttable: true });
    });
    after(async () => server.stop());

    async function withClient<T>(use: (client: Redis) => Promise<T>, url = server.url()): Promise<T> {
      const client = new Redis(url, {
        lazyConnect: true,
        enableReadyCheck: false,
        retryStrategy: () => null,
        connectTimeout: 5 * SILENCE_MS,
        commandTimeout: 5 * SILENCE_MS,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return await use(client);
      } finally {
        client.disconnect();
      }
    }

    it('has the given number of databases, requires a password, and evicts nothing', async () => {
      await withClient(async (client) => client.set('a', '2'), server.url(2));
      expect(await withClient(async (client) => client.get('a'))).to.equal(null);
      const [, policy] = await withClient(async (client) => client.config('GET', 'maxmemory-policy'));
      expect(policy).to.equal('noeviction');
      const { host, port } = server;
      expect(
        await ask(port, 'PING\r\n', (answer) => answer.includes('\n'), { timeoutMs: 5_000, host }),
      ).to.include('NOAUTH');
    });

    it('ends immediately when killed; after a restart it has its address and its earlier writes', async () => {
      await withClient(async (client) => {
        await client.set('kept', 'yes');
        // The append-only file is synced every second. The kernel has the write immediately, and that is
        // enough when only the process is killed.
        await until('the write', async () => (await client.get('kept')) === 'yes');
      });
      const before = { host: server.host, port: server.port };
      await server.kill();
      expect(await withClient(async () => 'connected').catch(() => 'refused')).to.equal('refused');
      await server.restart();
      expect({ host: server.host, port: server.port }).to.deep.equal(before);
      expect(await withClient(async (client) => client.get('kept'))).to.equal('yes');
    });

    it('is empty after a restart with wiped data', async () => {
      await withClient(async (client) => client.set('kept', 'yes'));
      await server.kill();
      await server.restart({ wiped: true });
      expect(await withClient(async (client) => client.dbsize())).to.equal(0);
    });

    it('answers nothing while paused, and the pending requests when resumed', async () => {
      await withClient(async (client) => {
        await client.ping();
        await server.pause();
        try {
          const answer = client.ping();
          expect(await Promise.race([answer, silence()])).to.equal('silence');
          await server.resume();
          expect(await answer).to.equal('PONG');
        } finally {
          await server.resume();
        }
      });
    });

    it('is silent to old and new connections while disconnected, and serves again when connected', async () => {
      await withClient(async (client) => {
        await client.ping();
        await server.disconnect();
        try {
          const answer = client.ping().catch(() => 'cut');
          expect(await Promise.race([answer, silence()])).to.equal('silence');
          expect(await withClient(async (other) => other.ping()).catch(() => 'nobody')).to.equal('nobody');
        } finally {
          await server.connect();
        }
      });
      await until('an answer', async () => withClient(async (client) => client.ping()), {
        timeoutMs: 20_000,
      });
    });

    it('gives its output', async () => {
      expect(await server.log()).to.match(/Ready to accept connections/);
    });
  });

  describe('a MariaDB', () => {
    let server: MysqlServer;

    before(async () => {
      server = await services.startMysql({ id: 'contract-mysql', durable: true, cuttable: true });
    });
    after(async () => server.stop());

    async function query(sql: string, url = server.url('')): Promise<RowDataPacket[]> {
      const connection = await createConnection({ uri: url, connectTimeout: 5_000 });
      connection.on('error', () => undefined);
      try {
        const [rows] = await connection.query<RowDataPacket[]>(sql);
        return rows;
      } finally {
        connection.destroy();
      }
    }

    it('gives its user all rights, and refuses users without a password', async () => {
      await query('CREATE DATABASE contract');
      await query('CREATE TABLE numbers (n INT PRIMARY KEY)', server.url('contract'));
      await query("CREATE USER 'another'@'%' IDENTIFIED BY 'x'");
      for (const user of ['keymill', 'root', '']) {
        const stranger = new URL(server.url(''));
        stranger.username = user;
        stranger.password = '';
        const refusal = await query('SELECT 1', stranger.href).catch((error: unknown) => error);
        expect(String(refusal), user).to.match(/Access denied|not allowed to connect/);
      }
    });

    it('has the settings of a cluster, as far as tests depend on them', async () => {
      const [settings] = await query(
        'SELECT @@innodb_flush_log_at_trx_commit AS flush, @@character_set_server AS charset, @@max_connections AS connections, @@log_bin AS binlog',
      );
      expect(settings).to.deep.equal({ flush: 1, charset: 'utf8mb4', connections: 1_000, binlog: 0 });
    });

    it('has every acknowledged row after a kill and a restart', async () => {
      const url = server.url('contract');
      for (let n = 1; n <= 20; n++) await query(`INSERT INTO numbers VALUES (${n})`, url);
      await server.kill();
      await server.restart();
      expect(await query('SELECT COUNT(*) AS n FROM numbers', url)).to.deep.equal([{ n: 20 }]);
    });

    it('is silent while paused or disconnected, and serves afterwards', async () => {
      for (const [fault, repair] of [
        ['pause', 'resume'],
        ['disconnect', 'connect'],
      ] as const) {
        await server[fault]();
        try {
          const answer = query('SELECT 1 AS one').catch(() => 'error');
          expect(await Promise.race([answer, silence()]), fault).to.equal('silence');
        } finally {
          await server[repair]();
        }
        await until('an answer', async () => query('SELECT 1 AS one'));
      }
    });
  });

  describe('a ZooKeeper ensemble', () => {
    let ensemble: Ensemble;

    before(async () => {
      ensemble = await services.startZooKeeper({ id: 'contract-zookeeper', cuttable: true });
    });
    after(async () => ensemble.stop());

    async function modeOf({ host, port }: Server): Promise<string | undefined> {
      const answer = await ask(port, 'srvr', (text) => /Mode: \w+\n/.test(text), { timeoutMs: 1_000, host });
      return /Mode: (\w+)/.exec(answer ?? '')?.[1];
    }

    async function untilModes(...wanted: (string | undefined)[]): Promise<void> {
      const sorted = (modes: (string | undefined)[]): string => modes.map(String).toSorted().join();
      await until(
        `modes ${sorted(wanted)}`,
        async () => sorted(await Promise.all(ensemble.servers.map(modeOf))) === sorted(wanted),
        { timeoutMs: 40_000 },
      );
    }

    it('has three servers at its addresses, and one of them is the leader', async () => {
      expect(ensemble.connect).to.equal(
        ensemble.servers.map(({ host, port }) => `${host}:${port}`).join(','),
      );
      await untilModes('follower', 'follower', 'leader');
    });

    it('continues without a killed, paused or disconnected server, which joins again later', async () => {
      const [server] = ensemble.servers;
      if (server === undefined) throw new Error('no server');
      await server.kill();
      await untilModes(undefined, 'follower', 'leader');
      await server.restart();
      await untilModes('follower', 'follower', 'leader');
      for (const [fault, repair] of [
        ['pause', 'resume'],
        ['disconnect', 'connect'],
      ] as const) {
        await server[fault]();
        await until(`${fault}: silence`, async () => (await modeOf(server)) === undefined);
        await server[repair]();
        await untilModes('follower', 'follower', 'leader');
      }
    });
  });
});

describe('a run that is killed', () => {
  it('leaves no server behind', async function () {
    this.timeout(120_000);
    const run = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/run.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(createInterface({ input: run.stdout }), 'line')) as [string];
      const { host, port } = JSON.parse(line) as { host: string; port: number };
      const answers = async (): Promise<boolean> =>
        (await ask(port, 'PING\r\n', (answer) => answer.includes('\n'), { host })) !== undefined;
      expect(await answers()).to.equal(true);
      run.kill('SIGKILL');
      await until('its server to be gone', async () => !(await answers()), { timeoutMs: 30_000 });
    } finally {
      run.kill('SIGKILL');
    }
  });
});

async function silence(): Promise<'silence'> {
  const { promise, resolve } = Promise.withResolvers<'silence'>();
  setTimeout(() => resolve('silence'), SILENCE_MS);
  return promise;
}
