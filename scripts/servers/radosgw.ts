import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { reserveAnyPort, reservePort } from './ports.ts';
import { ask } from './probe.ts';
import { StartError, startServer, type RunningServer, type StartOptions } from './process.ts';

const run = promisify(execFile);

export interface RadosgwOptions extends StartOptions {
  readonly id: string;
  /** The folder of configuration and keys. It is emptied: objects are in memory and do not outlive a stop. */
  readonly dir: string;
  /** This port or the next free one; without it, any free port. */
  readonly port?: number;
}

/** An S3 server: a gateway, and what it stores in. */
export interface RunningRadosgw {
  readonly gateway: RunningServer;
  readonly accessKey: string;
  readonly secret: string;
  /** Starts the gateway again, on its port, after it was killed. All objects are still there. */
  restartGateway(): Promise<RunningServer>;
  /** Lets no bucket grow beyond `bytes`; undefined: as far as it can. Obeyed after a second or two. */
  limitBuckets(bytes: number | undefined): Promise<void>;
  /** Whether our keys may write and delete. */
  allowWrites(areAllowed: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** Ceph's daemons take long to start on a busy machine. */
const READY_TIMEOUT_MS = 90_000;
const USER = 'keymill';

/**
 * Starts a private S3 server on the loopback address: Ceph's gateway with one monitor and one OSD in memory.
 * It takes 2 to 15 s and 230 MB. Path style only.
 * @throws StartError after it has stopped what ran
 */
export async function startRadosgw(options: RadosgwOptions): Promise<RunningRadosgw> {
  const { dir } = options;
  await rm(dir, { recursive: true, force: true });
  for (const folder of ['mon', 'osd', 'crash']) {
    await mkdir(join(dir, folder), { recursive: true, mode: 0o700 });
  }
  const running: RunningServer[] = [];
  const start = async (server: Promise<RunningServer>): Promise<RunningServer> => {
    running.push(await server);
    return server;
  };
  const stop = async (): Promise<void> => {
    for (const server of running.toReversed()) await server.stop();
  };
  try {
    await start(startMonitor(options));
    await start(startOsd(options));
    const gateway = await start(startGateway(options, options.port));
    const [accessKey, secret] = [randomBytes(10).toString('hex'), randomBytes(20).toString('hex')];
    const keys = [`--access-key=${accessKey}`, `--secret=${secret}`];
    await admin(options, 'user', 'create', '--display-name=keymill', ...keys);
    return {
      gateway,
      accessKey,
      secret,
      restartGateway: async () => start(startGateway(options, gateway.port)),
      limitBuckets: async (bytes) => {
        const enabled = bytes === undefined ? 'disable' : 'enable';
        await admin(options, 'quota', 'set', '--quota-scope=bucket', `--max-size=${bytes ?? -1}`);
        await admin(options, 'quota', enabled, '--quota-scope=bucket');
      },
      allowWrites: async (areAllowed) =>
        admin(options, 'user', 'modify', `--op-mask=${areAllowed ? 'read,write,delete' : 'read'}`),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startMonitor(options: RadosgwOptions): Promise<RunningServer> {
  const { dir } = options;
  const reserved = await reserveAnyPort();
  const { port } = reserved;
  try {
    const address = `[v2:127.0.0.1:${port}/0]`;
    const fsid = randomUUID();
    await writeFile(join(dir, 'ceph.conf'), configOf({ dir, fsid, address }), { mode: 0o600 });
    await writeFile(join(dir, 'keyring'), await keyring(options), { mode: 0o600 });
    await tool(
      options,
      'monmaptool',
      '--create',
      '--clobber',
      '--fsid',
      fsid,
      '--addv',
      'a',
      address,
      'monmap',
    );
    await tool(options, 'ceph-mon', '--mkfs', '-i', 'a', '--monmap', 'monmap', '--keyring', 'keyring');
    return await startDaemon(options, 'ceph-mon', ['-i', 'a'], port, async () =>
      answers(options, 'quorum_status', (answer) => answer.includes('"quorum_leader_name"')),
    );
  } finally {
    reserved.release();
  }
}

async function startOsd(options: RadosgwOptions): Promise<RunningServer> {
  const uuid = randomUUID();
  await tool(options, 'ceph', 'osd', 'new', uuid);
  await tool(options, 'ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', uuid);
  await tool(options, 'ceph', 'osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=localhost');
  // It chooses its own ports.
  return startDaemon(options, 'ceph-osd', ['-i', '0'], 0, async () =>
    answers(options, 'osd stat', (answer) => answer.includes('1 up')),
  );
}

async function startGateway(options: RadosgwOptions, wanted: number | undefined): Promise<RunningServer> {
  const reserved = wanted === undefined ? await reserveAnyPort() : await reservePort(wanted);
  const { port } = reserved;
  const frontend = `--rgw-frontends=beast endpoint=127.0.0.1:${port} tcp_nodelay=1`;
  try {
    return await startDaemon(options, 'radosgw', ['-n', 'client.rgw', frontend], port, async () => {
      const isEnough = (answer: string): boolean => answer.startsWith('HTTP/1.1 200');
      return (await ask(port, 'GET / HTTP/1.0\r\n\r\n', isEnough)) !== undefined;
    });
  } finally {
    reserved.release();
  }
}

async function startDaemon(
  options: RadosgwOptions,
  command: string,
  args: readonly string[],
  port: number,
  probe: () => Promise<boolean>,
): Promise<RunningServer> {
  return startServer({
    id: `${options.id} (${command})`,
    port,
    command,
    args: ['-c', 'ceph.conf', ...args, '-f'],
    cwd: options.dir,
    logFile: options.logFile,
    dieWithParent: options.dieWithParent ?? true,
    probe,
    readyTimeoutMs: READY_TIMEOUT_MS,
    // Nothing outlives it.
    stopTimeoutMs: 0,
    onSpawn: options.onSpawn,
    env: options.env,
    signal: options.signal,
  });
}

async function answers(
  options: RadosgwOptions,
  question: string,
  isRight: (answer: string) => boolean,
): Promise<boolean> {
  try {
    return isRight(await tool(options, 'ceph', ...question.split(' ')));
  } catch {
    await delay(100);
    return false;
  }
}

async function admin(options: RadosgwOptions, ...args: string[]): Promise<void> {
  await tool(options, 'radosgw-admin', '-n', 'client.rgw', ...args, `--uid=${USER}`);
}

/** Runs a command of Ceph to its end. @throws StartError with what it said */
async function tool(options: RadosgwOptions, command: string, ...args: string[]): Promise<string> {
  const { id, dir, logFile, signal, env } = options;
  const isPlain = command === 'monmaptool' || command === 'ceph-authtool';
  try {
    const config = isPlain ? [] : ['-c', 'ceph.conf'];
    const waiting = command === 'ceph' ? ['--connect-timeout', '5'] : [];
    const all = [...config, ...waiting, ...args];
    const { stdout } = await run(command, all, { cwd: dir, timeout: READY_TIMEOUT_MS, signal, env });
    return stdout;
  } catch (error) {
    signal?.throwIfAborted();
    await appendFile(logFile, `${(error as { stderr?: string }).stderr ?? String(error)}\n`);
    throw new StartError(id, `${command} ${args[0] ?? ''} failed`, logFile);
  }
}

/** The monitor learns all of these when it is made. */
async function keyring(options: RadosgwOptions): Promise<string> {
  const keys = await Promise.all(
    Object.entries({
      'mon.': ['mon = "allow *"'],
      'client.admin': ['mon = "allow *"', 'osd = "allow *"', 'mgr = "allow *"'],
      'osd.0': ['mon = "allow profile osd"', 'osd = "allow *"'],
      'client.rgw': ['mon = "allow rwx"', 'osd = "allow rwx"'],
    }).map(async ([name, rights]) => {
      const key = (await tool(options, 'ceph-authtool', '--gen-print-key')).trim();
      return [`[${name}]`, `key = ${key}`, ...rights.map((right) => `caps ${right}`)];
    }),
  );
  return `${keys.flat().join('\n')}\n`;
}

function configOf({ dir, fsid, address }: { dir: string; fsid: string; address: string }): string {
  return [
    '[global]',
    `fsid = ${fsid}`,
    `keyring = ${dir}/keyring`,
    `mon host = ${address}`,
    'public network = 127.0.0.0/8',
    'ms bind ipv6 = false',
    'ms bind msgr1 = false',
    // One copy of everything is enough here.
    'osd pool default size = 1',
    'osd pool default min size = 1',
    'osd pool default pg num = 1',
    'osd pool default pgp num = 1',
    'osd pool default pg autoscale mode = off',
    'osd crush chooseleaf type = 0',
    'mon allow pool size one = true',
    'mon max pg per osd = 500',
    // Otherwise each of the many changes of the start waits for a second.
    'paxos propose interval = 0.05',
    'paxos min wait = 0.01',
    'log to file = false',
    'log to stderr = true',
    'mon cluster log to file = false',
    // Their paths would be too long for a socket.
    'admin socket =',
    `run dir = ${dir}`,
    `crash dir = ${dir}/crash`,
    '[mon.a]',
    `mon data = ${dir}/mon`,
    '[osd]',
    'osd objectstore = memstore',
    'memstore device bytes = 4294967296',
    `osd data = ${dir}/osd`,
    'osd memory target = 939524096',
    'osd max object name len = 1024',
    'osd max object namespace len = 64',
    '[client.rgw]',
    'rgw enable usage log = false',
    'rgw enable ops log = false',
    'rgw thread pool size = 32',
    'rgw run sync thread = false',
    'rgw enable lc threads = false',
    'rgw enable quota threads = false',
    'rgw bucket quota ttl = 1',
    'rgw user quota bucket sync interval = 1',
    // The rest of a large object that was deleted would stay in memory for two hours.
    'rgw gc obj min wait = 5',
    'rgw gc processor period = 5',
    'rgw gc processor max time = 5',
    '',
  ].join('\n');
}
