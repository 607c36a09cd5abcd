import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { closeSession } from '../../../coordinator/close-session.ts';
import type { SessionCredentials } from '../../../coordinator/transport.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import type { Seen } from '../../../runtime/dashboard/seen.ts';
import { until } from '../../until.ts';
import { mochaHooks, stopAtEnd, testServices } from '../../servers.ts';
import { largeCluster, SIZES } from './large-cluster.ts';
import { record } from './recorder.ts';
import { FILE, packRecording } from './recording.ts';
import type { Order } from './serve-members.ts';

/*
 * Records the feed of a large cluster, on real servers, while things happen to it:
 *
 *     node test/runtime/dashboard/record-feed.ts
 *
 * It takes two minutes, and replaces the recording that the tests of the dashboard play.
 */

const LAST = `producer-${SIZES.producers}`;
const PAUSE_MS = 8_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const pool = await stopAtEnd((await testServices()).startRedis({ id: 'last-pool' }));
const env = { ...process.env, ...(await largeCluster(pool.url(0))) };
const connect = env['KEYMILL_ZOOKEEPER'] ?? '';

async function start(part: 'one' | 'others'): Promise<[ChildProcess, SessionCredentials]> {
  const child = fork(new URL('serve-members.ts', import.meta.url), [part], { env });
  const [{ credentials }] = (await once(child, 'message')) as [{ credentials: SessionCredentials }];
  return [child, credentials];
}

const [[others], [last, credentials]] = await Promise.all([start('others'), start('one')]);
const order = (wish: Order): void => void others.send(wish);

const recorder = record(env);
const isAllRead = ({ members, pools, keysDbs }: Seen): boolean =>
  members?.length === SIZES.producers + SIZES.mappers &&
  members.every(({ problem, rates }) => problem === null && rates !== undefined) &&
  pools?.every(({ level }) => level !== null) === true &&
  keysDbs?.every(({ unused }) => unused !== null) === true;
await until('everything to be read', () => isAllRead(recorder.seen), { timeoutMs: 120_000 });
recorder.begin();
await delay(PAUSE_MS);

say(`${LAST} is killed`);
last.kill('SIGKILL');
await once(last, 'exit');
// As its supervisor does.
await closeSession({ connect, credentials, log: QUIET_LOG, signal: AbortSignal.timeout(10_000) });
order({ lastShards: 'take' });
await delay(PAUSE_MS);

say('a pool is stopped');
await pool.pause();
await delay(PAUSE_MS);
await pool.resume();
await delay(PAUSE_MS);

say(`${LAST} is back`);
const returned = start('one');
order({ lastShards: 'give back' });
const [again] = await returned;
await delay(PAUSE_MS);

say('a producer is drained, and a mapper is silent');
order({ drain: { id: 'producer-7', isDrained: true }, silent: { id: 'mapper-5', isSilent: true } });
await delay(3 * PAUSE_MS);
order({ drain: { id: 'producer-7', isDrained: false }, silent: { id: 'mapper-5', isSilent: false } });
// Each member is asked again, and all is well.
await delay(3 * PAUSE_MS);

const recording = recorder.recording();
await recorder[Symbol.asyncDispose]();
const bytes = packRecording(recording);
writeFileSync(FILE, bytes);
say(`${recording.told.length} tellings, ${bytes.length} bytes`);
for (const child of [others, again]) {
  child.disconnect();
  await once(child, 'exit');
}
await mochaHooks.afterAll.call({ timeout: () => undefined } as unknown as Mocha.Context);
process.exit();
