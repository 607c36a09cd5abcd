import { numbered } from '../cluster/environment.ts';
import { tryGet } from '../cluster/http.ts';
import { outdatedMembers, portName } from '../cluster/members.ts';
import { readPoolLevels, type Place } from '../cluster/producer-view.ts';
import type { Launch } from '../cluster/servers.ts';
import type { State } from '../cluster/state.ts';
import { readSize } from './mariadb.ts';
import type { SeenPool, SeenProcess, Sight } from './plan.ts';
import { recordedOf } from './settle.ts';
import { STEPS, type StepName } from './steps.ts';
import { MARIADB_SIZES } from './target.ts';

/** The steps that the record contains. */
export function recordedSteps({ shape, counts, setup }: State): Set<StepName> {
  const made: Readonly<Record<StepName, boolean>> = {
    mapper: (counts?.mappers ?? 1) > 1,
    memory: setup.memory === 'full',
    zookeeper: (shape?.zookeepers ?? 0) > 0,
    stores: (shape?.redis ?? 1) > 1,
    producers: (counts?.producers ?? 0) > 0,
    pools: setup.keySource === 'pools',
  };
  return new Set(STEPS.filter((step) => made[step]));
}

/** Looks at a running cluster. @throws ClusterError when it is down */
export async function lookAtGrowth(launch: Pick<Launch, 'state' | 'signal'>): Promise<Sight> {
  const { state } = launch;
  const { shape, counts, addresses } = recordedOf(state);
  const outdated = new Set(outdatedMembers(counts, addresses, { state }).map(({ id }) => id));
  const members = async (kind: 'mapper' | 'producer', count: number): Promise<SeenProcess[]> =>
    Promise.all(
      numbered(kind, count).map(async (id) => ({ id, isReady: await isReady(placeOf(state, id), state) })),
    );
  const servers = (kind: string, count: number): SeenProcess[] =>
    numbered(kind, count).map((id) => ({ id, isReady: state.findRunning(id) !== undefined }));
  const [mappers, producers, isMariadbLarge, pools] = await Promise.all([
    members('mapper', counts.mappers),
    members('producer', counts.producers),
    isLarge(addresses.usersDb.url),
    seePools(launch),
  ]);
  return {
    recorded: recordedSteps(state),
    unfinished: unfinishedOf(state),
    isMariadbLarge,
    mappers: mappers.map((mapper) => ({ ...mapper, isOutdated: outdated.has(mapper.id) })),
    zookeepers: servers('zookeeper', shape.zookeepers),
    redis: servers('redis', shape.redis),
    producers,
    pools,
  };
}

/** The pools as the producers see them; none without producers. */
export async function seePools({ state, signal }: Pick<Launch, 'state' | 'signal'>): Promise<SeenPool[]> {
  const { counts, addresses } = recordedOf(state);
  if (counts.producers === 0) return [];
  const producers = numbered('producer', counts.producers).map((id) => placeOf(state, id));
  try {
    return await readPoolLevels({ producers, addresses }, signal);
  } catch {
    signal.throwIfAborted();
    return addresses.redis.map(({ name }) => ({ name, level: undefined, low: undefined }));
  }
}

function unfinishedOf({ growth }: State): Sight['unfinished'] {
  const { unfinished } = growth ?? {};
  const step = STEPS.find((name) => name === unfinished?.step);
  return unfinished === undefined || step === undefined ? undefined : { step, way: unfinished.way };
}

function placeOf(state: State, id: string): Place {
  return { id, admin: `http://127.0.0.1:${state.port(portName(id, 'admin')) ?? 0}` };
}

async function isReady({ id, admin }: Place, state: State): Promise<boolean> {
  return state.findRunning(id) !== undefined && (await tryGet(`${admin}/readyz`))?.status === 200;
}

async function isLarge(url: string): Promise<boolean | undefined> {
  try {
    const { bufferPoolBytes, redoLogBytes, connections } = await readSize(url);
    const { full } = MARIADB_SIZES;
    return (
      bufferPoolBytes >= full.bufferPoolBytes &&
      redoLogBytes >= full.redoLogBytes &&
      connections >= full.connections
    );
  } catch {
    return undefined;
  }
}
