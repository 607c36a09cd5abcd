import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { parseSlots } from '../../runtime/config/slots.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import { MYSQL_SIZES } from '../../scripts/cluster/servers.ts';
import { startMariaDb } from '../../scripts/servers/mariadb.ts';
import type { RunningServer } from '../../scripts/servers/process.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

/** Drills on urls servers that come back without their newest links. */

const execute = promisify(execFile);

/** How much older the copy is, or how far the replica lags. Each holder's mark is counted up every 5 s. */
const OLDER_MS = 12_000;
const NOTICE_TIMEOUT_MS = 30_000;
const REPLICA_TIMEOUT_MS = 30_000;

interface UrlsServer {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  readonly data: string;
}

function pickServer(run: DrillRun): UrlsServer {
  const { cluster } = run;
  const names = new Set(cluster.file.mysql.map(({ name }) => name));
  const { name, url, slots } = run.pick(cluster.file.urlsDbs.filter((db) => names.has(db.name)));
  return { name, url, slots: parseSlots(slots) ?? [], data: join(cluster.runDir.dataOf(name), 'data') };
}

async function copyFolder(from: string, to: string): Promise<void> {
  await execute('cp', ['-a', '--sparse=always', from, to]);
}

async function remove(...folders: string[]): Promise<void> {
  await execute('rm', ['-rf', ...folders]);
}

/** Starts the server on other data, which lacks the links made since `fromMs`. */
async function startOn(run: DrillRun, server: UrlsServer, data: string, fromMs: number): Promise<void> {
  await remove(server.data);
  await execute('mv', [data, server.data]);
  run.markPutBack(server.slots, fromMs);
  await run.undo('restart');
}

/** Waits until every holder has noticed. Then says that the server was restored, which ends the alarm. */
async function expectAlarm(run: DrillRun, { name }: UrlsServer): Promise<void> {
  await run.waitFor(
    async () => ((await countAlarms(run, name)) === run.cluster.shards.length ? true : undefined),
    {
      timeoutMs: NOTICE_TIMEOUT_MS,
      everyMs: 200,
      failure: `not every holder noticed that ${name} has gone back`,
    },
  );
  run.event(`every holder has noticed that ${name} has gone back`);
  await run.cluster.keymill('urls', 'restored', name);
  await run.waitFor(async () => ((await countAlarms(run, name)) === 0 ? true : undefined), {
    timeoutMs: NOTICE_TIMEOUT_MS,
    everyMs: 200,
    failure: `the alarm about ${name} did not end after "keymill urls restored"`,
  });
}

/** The keys-dbs whose holders say that the server has gone back. */
async function countAlarms(run: DrillRun, urlsDb: string): Promise<number> {
  const pages = await Promise.all(
    run.cluster.file.producers.map(async ({ admin }) => tryGet(`${admin}/metrics`)),
  );
  const alarms = pages
    .flatMap((page) => parseMetrics(page?.body ?? ''))
    .filter(
      ({ name, labels, value }) =>
        name === 'keymill_urls_gone_back' && labels['urls_db'] === urlsDb && value === 1,
    );
  return new Set(alarms.map(({ labels }) => labels['keys_db'])).size;
}

/** Everything that is missing now and may be recycled is recycled afterwards. */
async function outlastQuarantine(run: DrillRun): Promise<void> {
  await run.cluster.keymill('audit', '--repair', '--json').catch(() => undefined);
  run.event('waiting until the quarantine is over');
  await run.pause(run.limits.quarantineMs + 2_000);
  await run.cluster.keymill('audit', '--repair', '--json').catch(() => undefined);
}

const urlsRestored: Drill = {
  name: 'urls-restored',
  does:
    'Puts an older copy of a urls server back under load, so that its newest links are lost. Every holder ' +
    'notices, their keys are written off, and none of them is recycled after the quarantine.',
  needs: [],
  rounds: 1,
  isDestructive: true,
  round: async (run) => {
    const { cluster } = run;
    const server = pickServer(run);
    const { name } = server;
    const copy = `${server.data}.drill`;
    run.undoLater('copy', async () => remove(copy));
    // Stopped, the server has files like those after a loss of power.
    run.undoLater('continue', () => void cluster.signal(name, 'SIGCONT'));
    run.event(`the data of ${name} is copied`);
    cluster.signal(name, 'SIGSTOP');
    const copiedMs = run.nowMs;
    await copyFolder(server.data, copy);
    await run.undo('continue');
    await run.pause(OLDER_MS);
    run.undoLater('restart', async () => cluster.startMissing());
    const end = run.beginFault(`kill -9 of ${name}, and the copy is put back`);
    await cluster.kill(name);
    await startOn(run, server, copy, copiedMs);
    end();
    await expectAlarm(run, server);
    await outlastQuarantine(run);
  },
};

/** The servers replicate in full: the replica begins with a copy of the server, taken while it is down. */
async function startReplica(
  run: DrillRun,
  server: UrlsServer,
): Promise<{ replica: RunningServer; sql: Mysql }> {
  const { cluster } = run;
  const { name, url } = server;
  const { username, password, port } = new URL(url);
  const dir = `${cluster.runDir.dataOf(name)}.replica`;
  const id = `${name}-replica`;
  run.undoLater('replica folder', async () => remove(dir));
  await remove(dir);
  await execute('mkdir', ['-m', '700', dir]);
  run.undoLater('restart', async () => cluster.startMissing());
  run.event(`${name} is restarted with a binary log, and copied`);
  await cluster.kill(name, 'SIGTERM');
  await copyFolder(server.data, join(dir, 'data'));
  await cluster.startMissing({ mysqlArgs: ['--log-bin=log', '--server-id=1'] });
  const logFile = cluster.runDir.logOf(id);
  const extraArgs = ['--server-id=2'];
  const replica = await startMariaDb({ id, dir, password, logFile, ...MYSQL_SIZES, extraArgs });
  run.undoLater('replica', async () => replica.stop());
  const address = new URL(url);
  address.port = String(replica.port);
  const sql = openMysql(address.href, { name: id, connections: 1 });
  run.undoLater('replica connection', async () => sql.close());
  await sql.execute(
    `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${port}, MASTER_USER = '${username}',
     MASTER_PASSWORD = '${password}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`,
  );
  await sql.execute('START SLAVE');
  return { replica, sql };
}

async function untilCaughtUp(run: DrillRun, sql: Mysql): Promise<void> {
  const isCaughtUp = async (): Promise<true | undefined> => {
    const [status] = await sql.query<Record<string, unknown>>('SHOW SLAVE STATUS');
    const isRunning = status?.['Slave_IO_Running'] === 'Yes' && status['Slave_SQL_Running'] === 'Yes';
    return isRunning && Number(status['Seconds_Behind_Master'] ?? Infinity) <= 1 ? true : undefined;
  };
  const failure = 'the replica did not catch up';
  await run.waitFor(isCaughtUp, { timeoutMs: REPLICA_TIMEOUT_MS, everyMs: 200, failure });
}

const urlsFailover: Drill = {
  name: 'urls-failover',
  does:
    'Kills a urls server for good. A replica that lags by 12 s takes over at its address. Every holder ' +
    'notices, the keys of the links that it lacks are written off, and none of them is recycled.',
  needs: [],
  rounds: 1,
  isDestructive: true,
  round: async (run) => {
    const { cluster } = run;
    const server = pickServer(run);
    const { name } = server;
    const { replica, sql } = await startReplica(run, server);
    await untilCaughtUp(run, sql);
    run.event('the replica has caught up, and begins to lag');
    const lagsSinceMs = run.nowMs;
    await sql.execute('STOP SLAVE SQL_THREAD');
    await run.pause(OLDER_MS);
    run.undoLater('restart', async () => cluster.startMissing());
    const end = run.beginFault(`kill -9 of ${name}; its replica takes over`);
    await cluster.kill(name);
    // It forgets what it has received and not applied, as when a failover does not wait.
    await sql.execute('STOP SLAVE');
    await sql.execute('RESET SLAVE ALL');
    await replica.stop();
    await startOn(run, server, join(`${cluster.runDir.dataOf(name)}.replica`, 'data'), lagsSinceMs);
    end();
    await expectAlarm(run, server);
    await outlastQuarantine(run);
  },
};

export const URLS_RESTORE_DRILLS: readonly Drill[] = [urlsRestored, urlsFailover];
