import type { Drill } from '../drill.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import type { Stage } from '../stage/stage.ts';
import { isZooKeeperCreate, type FaultyProxy } from '../proxy/proxy.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import { putOnWire } from '../stage/detour.ts';
import { WIRE_FAULTS, wireHavoc } from '../stage/wire.ts';

/** Drills on the network between one process and its servers: silence without a reset, answers that never arrive. */

const SHARE_TIMEOUT_MS = 30_000;
const CUT_EVERY_MS = 500;
const CUTS = 20;
const WIRE_FAULT_MS = 4_000;
const LOST_CREATES = 5;

/** Waits until this producer has its share again. */
async function untilItHolds(stage: Stage, producer: string): Promise<string[]> {
  const deadline = performance.now() + SHARE_TIMEOUT_MS;
  for (;;) {
    const shards = stage.holdings().get(producer) ?? [];
    if (shards.length > 0) return shards;
    if (performance.now() > deadline) throw new Error(`${producer} was given no shard`);
    await stage.pause(50);
  }
}

/** What a producer says of its session: connected, suspended or lost. */
async function sessionState(stage: Stage, producer: string): Promise<string> {
  const admin = stage.cluster.file.producers.find(({ id }) => id === producer)?.admin ?? '';
  const page = await tryGet(`${admin}/metrics`);
  const state = parseMetrics(page?.body ?? '').find(
    ({ name, value }) => name === 'keymill_session_state' && value === 1,
  );
  return state?.labels['state'] ?? 'unknown';
}

const zkSilent: Drill = {
  name: 'zk-silent',
  does: 'the network between one producer and ZooKeeper swallows everything, without a reset: it knows by its own clock that it has lost its locks',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const { id: producer } = stage.pick(stage.cluster.file.producers);
    const { proxies } = await putOnWire(stage, producer, 'zookeeper');
    const shards = await untilItHolds(stage, producer);
    await stage.quiet();
    const before = stage.reignsOf(shards);
    const end = stage.beginFault(
      `silence between ${producer}, which holds ${shards.join(', ')}, and ZooKeeper`,
    );
    const sinceMs = stage.nowMs;
    for (const proxy of proxies.values()) proxy.silence();
    const takenOver = stage.takenOver(before, sinceMs);
    await stage.pause(stage.limits.sessionTimeoutMs + stage.limits.tickMs);
    const state = await sessionState(stage, producer);
    if (state !== 'lost') stage.violation(`${producer} calls its session ${state} after the session timeout`);
    await takenOver;
    stage.event('the network speaks again');
    for (const proxy of proxies.values()) proxy.heal();
    end();
    await stage.pause(1_000);
    await stage.undo('wire');
  },
};

/** The next answer to the creation of a lock through any of these proxies is cut off. @returns the shards of the locks, as it happens */
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

const LOCK_PATH = /\/shard-locks\/([\w-]+)/;

const createUnknown: Drill = {
  name: 'create-unknown',
  does: 'answers to the creation of locks are cut off, so that a producer cannot know whether it holds them: it looks, and at most one holds each at any time',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const { cluster } = stage;
    const { id: producer } = stage.pick(cluster.file.producers);
    const { proxies } = await putOnWire(stage, producer, 'zookeeper');
    let kept = 0;
    for (let i = 0; i < LOST_CREATES && stage.violations.length === 0; i++) {
      const shards = await untilItHolds(stage, producer);
      const worker = await cluster.workerOf(producer);
      const before = stage.reignsOf(shards);
      const lost = loseNextCreate(proxies.values());
      const end = stage.beginFault(
        `kill -9 of ${producer}'s worker, which holds ${shards.join(', ')}; the answer to its successor's first lock will be cut off`,
      );
      const sinceMs = stage.nowMs;
      signalProcess(worker, 'SIGKILL');
      await stage.takenOver(before, sinceMs);
      const held = await untilItHolds(stage, producer);
      for (const proxy of proxies.values()) proxy.heal();
      end();
      if (lost.length === 0)
        stage.violation(`${producer} holds ${held.join(', ')}, and no creation was seen`);
      const ours = lost.filter((shard) => held.includes(shard));
      kept += ours.length;
      stage.event(
        `cut off: ${lost.join(', ')}; ${producer} found that it holds ${ours.join(', ') || 'none of them'}`,
      );
      await stage.quiet();
    }
    if (kept === 0 && stage.violations.length === 0)
      stage.violation('no lock was held whose creation had not been answered');
    await stage.undo('wire');
  },
};

const insertUnknown: Drill = {
  name: 'insert-unknown',
  does: 'answers to INSERTs of links are cut off, so that a mapper cannot know whether they happened: what it acknowledges redirects',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const { id: mapper } = stage.pick(stage.cluster.file.mappers);
    const { proxies } = await putOnWire(stage, mapper, 'urls');
    const end = stage.beginFault(`${CUTS} times the answer to an INSERT of ${mapper} is cut off`);
    let cut = 0;
    for (let i = 0; i < CUTS; i++) {
      stage.pick([...proxies.values()]).cutBeforeReplyTo((sent) => {
        const isInsert = sent.includes('INSERT INTO urls');
        if (isInsert) cut += 1;
        return isInsert;
      });
      await stage.pause(CUT_EVERY_MS);
    }
    end();
    stage.event(`${cut} answers were cut off`);
    if (cut === 0) stage.violation('no INSERT was seen on the wire');
    await stage.undo('wire');
  },
};

const wire: Drill = {
  name: 'wire',
  does: 'the network before one Redis, one urls server, one ZooKeeper server falls silent, cuts answers in the middle, becomes slow: for everybody at once',
  needs: ['wire'],
  rounds: 1,
  parts: ['redis', 'urls', 'zookeeper'],
  round: async (stage, part) => {
    const names = (stage.cluster.file.wire?.proxies ?? []).map(({ name }) => name);
    for (const fault of WIRE_FAULTS) {
      const { what, begin, heal } = wireHavoc(
        stage,
        stage.pick(names.filter((name) => name.startsWith(part))),
        fault,
      );
      stage.undoLater('wire', heal);
      const end = stage.beginFault(what);
      await begin();
      await stage.pause(WIRE_FAULT_MS);
      await stage.undo('wire');
      end();
      await stage.quiet();
    }
  },
};

export const WIRE_DRILLS: readonly Drill[] = [zkSilent, createUnknown, insertUnknown, wire];
