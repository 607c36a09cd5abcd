import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import { isLinkInsert, isZooKeeperCreate, type FaultyProxy } from '../proxy/proxy.ts';
import { restartBehindProxies } from '../run/behind-proxies.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { createNetworkFault, NETWORK_FAULTS } from '../run/network-fault.ts';

/** Drills on the network between processes and their servers. */

const SHARE_TIMEOUT_MS = 30_000;
const CUT_EVERY_MS = 500;
const CUTS = 20;
const WIRE_FAULT_MS = 4_000;
const LOST_CREATES = 5;
const LOCK_PATH = /\/shard-locks\/([\w-]+)/;

/** Waits until the producer holds a shard, and returns all shards that it holds then. */
async function untilItHolds(run: DrillRun, producer: string): Promise<string[]> {
  return run.waitFor(() => run.reigns.holdings().get(producer), {
    timeoutMs: SHARE_TIMEOUT_MS,
    everyMs: 50,
    failure: `${producer} did not get a shard`,
  });
}

/** The state of a producer's session as it reports it: connected, suspended or lost. */
async function sessionState(run: DrillRun, producer: string): Promise<string> {
  const admin = run.cluster.file.producers.find(({ id }) => id === producer)?.admin ?? '';
  const page = await tryGet(`${admin}/metrics`);
  const state = parseMetrics(page?.body ?? '').find(
    ({ name, value }) => name === 'keymill_session_state' && value === 1,
  );
  return state?.labels['state'] ?? 'unknown';
}

const zkSilent: Drill = {
  name: 'zk-silent',
  does:
    'The network between one producer and ZooKeeper drops all data without a reset. The producer finds by ' +
    'its own clock that it has lost its locks.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const { id: producer } = run.pick(run.cluster.file.producers);
    const proxies = await restartBehindProxies(run, producer, 'zookeeper');
    const shards = await untilItHolds(run, producer);
    await run.untilQuiesced();
    const before = run.reigns.of(shards);
    const end = run.beginFault(
      `silence between ${producer}, which holds ${shards.join(', ')}, and ZooKeeper`,
    );
    const sinceMs = run.nowMs;
    for (const proxy of proxies.values()) proxy.silence();
    const takenOver = run.reigns.untilTakenOver(before, sinceMs);
    await run.pause(run.limits.sessionTimeoutMs + run.limits.tickMs);
    const state = await sessionState(run, producer);
    if (state !== 'lost')
      run.violation(`${producer} reports a session that is ${state} after the session timeout`);
    await takenOver;
    run.event('the network works again');
    for (const proxy of proxies.values()) proxy.heal();
    end();
    await run.pause(1_000);
    await run.undo('proxies');
  },
};

/**
 * Cuts off the answer to the next creation of a lock through each of these proxies.
 * @returns the shards of these locks; the list grows as it happens
 */
function loseNextCreate(proxies: Iterable<FaultyProxy>): readonly string[] {
  const shards: string[] = [];
  for (const proxy of proxies) {
    proxy.cutBeforeReplyTo((sent) => {
      const shard = isZooKeeperCreate(sent) ? LOCK_PATH.exec(sent.toString('latin1'))?.[1] : undefined;
      if (shard !== undefined) shards.push(shard);
      return shard !== undefined;
    });
  }
  return shards;
}

/**
 * Kills the worker of a producer, and cuts off the answer to the first lock that its successor creates.
 * @returns how many of the locks without an answer the successor holds
 */
async function loseFirstLock(
  run: DrillRun,
  producer: string,
  proxies: ReadonlyMap<string, FaultyProxy>,
): Promise<number> {
  const shards = await untilItHolds(run, producer);
  const worker = await run.cluster.workerOf(producer);
  const before = run.reigns.of(shards);
  const lost = loseNextCreate(proxies.values());
  const end = run.beginFault(
    `kill -9 of ${producer}'s worker, which holds ${shards.join(', ')}; ` +
      "the answer to its successor's first lock will be cut off",
  );
  const sinceMs = run.nowMs;
  signalProcess(worker, 'SIGKILL');
  await run.reigns.untilTakenOver(before, sinceMs);
  const held = await untilItHolds(run, producer);
  for (const proxy of proxies.values()) proxy.heal();
  end();
  if (lost.length === 0)
    run.violation(`${producer} holds ${held.join(', ')}, and the proxies saw no creation of a lock`);
  const kept = lost.filter((shard) => held.includes(shard));
  run.event(
    `cut off: ${lost.join(', ')}; ${producer} found that it holds ${kept.join(', ') || 'none of them'}`,
  );
  await run.untilQuiesced();
  return kept.length;
}

const createUnknown: Drill = {
  name: 'create-unknown',
  does:
    'Cuts off answers to the creation of locks, so that a producer cannot know whether it holds them. It ' +
    'reads them back, and at most one producer holds each lock at any time.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const { id: producer } = run.pick(run.cluster.file.producers);
    const proxies = await restartBehindProxies(run, producer, 'zookeeper');
    const { violations } = run.measurements;
    let kept = 0;
    for (let i = 0; i < LOST_CREATES && violations.length === 0; i++)
      kept += await loseFirstLock(run, producer, proxies);
    if (kept === 0 && violations.length === 0)
      run.violation('the producer never held a lock whose creation had no answer');
    await run.undo('proxies');
  },
};

const insertUnknown: Drill = {
  name: 'insert-unknown',
  does:
    'Cuts off answers to INSERTs of links, so that a mapper cannot know whether they happened. Every link ' +
    'that it acknowledges redirects.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const { id: mapper } = run.pick(run.cluster.file.mappers);
    const proxies = await restartBehindProxies(run, mapper, 'urls');
    const end = run.beginFault(`the answers to ${CUTS} INSERTs of ${mapper} are cut off`);
    let cut = 0;
    for (let i = 0; i < CUTS; i++) {
      run.pick([...proxies.values()]).cutBeforeReplyTo((sent) => {
        const isInsert = isLinkInsert(sent);
        if (isInsert) cut += 1;
        return isInsert;
      });
      await run.pause(CUT_EVERY_MS);
    }
    end();
    run.event(`${cut} answers were cut off`);
    if (cut === 0) run.violation('the proxies saw no INSERT');
    await run.undo('proxies');
  },
};

const wire: Drill = {
  name: 'wire',
  does:
    'The network in front of one Redis, then of one urls server, then of one ZooKeeper server drops all ' +
    'data, then cuts answers in the middle, then becomes slow, for all processes together.',
  needs: ['wire'],
  rounds: 1,
  parts: ['redis', 'urls', 'zookeeper'],
  round: async (run, part) => {
    const names = (run.cluster.file.wire?.proxies ?? []).map(({ name }) => name);
    for (const kind of NETWORK_FAULTS) {
      const server = run.pick(names.filter((name) => name.startsWith(part)));
      const fault = createNetworkFault(run, server, kind);
      run.undoLater('wire', async () => fault.heal());
      const end = run.beginFault(fault.what);
      await fault.begin();
      await run.pause(WIRE_FAULT_MS);
      await run.undo('wire');
      end();
      await run.untilQuiesced();
    }
  },
};

export const NETWORK_DRILLS: readonly Drill[] = [zkSilent, createUnknown, insertUnknown, wire];
