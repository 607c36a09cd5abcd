import type { RedisShardConfig } from '../../runtime/config/stores.ts';
import type { MemberAddress, RegistrySeen } from '../../runtime/dashboard/seen.ts';
import { pollingSource, type Source } from '../../runtime/dashboard/source.ts';
import { parseJson } from '../../runtime/json.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { naturally } from '../../runtime/natural-order.ts';
import { openCounterMarks } from '../counter/counter-marks.ts';
import { MapperEntries } from '../redis/mapper-entries.ts';

/** An entry lasts for ten seconds. */
const REGISTRY_EVERY_MS = 3_000;
const CONNECT_MS = 800;
const REGISTRY_MS = 1_500;
const MARK_EVERY_MS = 2_000;
const MARK_MS = 900;
/** What {@link openCounterMarks} calls it too. */
const USERS = 'users';

/** What an entry says about its mapper. */
interface Entry extends Pick<MemberAddress, 'id' | 'admin' | 'host'> {
  readonly url: string;
}

/**
 * The mappers that are registered in Redis, where there is no ZooKeeper.
 * @param parse undefined for what no mapper writes: it is left out
 */
export function registrySource(
  { name, url }: RedisShardConfig,
  parse: (json: unknown) => Entry | undefined,
): Source {
  return (tell, seen) => {
    const entries = new MapperEntries({ name, url, log: QUIET_LOG });
    let last: RegistrySeen = { store: name, problem: null, mappers: [], members: [] };
    const read = async (): Promise<{ registry: RegistrySeen }> => {
      // Without a connection, the question itself fails with the reason.
      await entries.whenConnected(CONNECT_MS);
      const mappers = [...(await entries.list()).values()]
        .flatMap((text) => parse(parseJson(text)) ?? [])
        .sort((a, b) => naturally(a.id, b.id));
      last = {
        store: name,
        problem: null,
        mappers,
        members: mappers.map(({ id, admin, host }) => ({ id, kind: 'mapper', admin, host })),
      };
      return { registry: last };
    };
    const polling = {
      everyMs: REGISTRY_EVERY_MS,
      deadlineMs: REGISTRY_MS,
      onFailed: (problem: string) => ({ registry: { ...last, problem } }),
    };
    return pollingSource(polling, read, async () => entries[Symbol.asyncDispose]())(tell, seen);
  };
}

/** How far the ids of the counter are given out. @param capacity how many ids there are */
export function counterSource(usersDb: { readonly url: string }, capacity: () => number): Source {
  return (tell, seen) => {
    const marks = openCounterMarks(usersDb, { connections: 1 });
    const told = (reserved: number | null) => ({
      counter: { store: USERS, reserved, capacity: capacity() },
    });
    const polling = { everyMs: MARK_EVERY_MS, deadlineMs: MARK_MS + 200, onFailed: () => told(null) };
    const read = async () => told(await marks.read({ timeoutMs: MARK_MS }));
    return pollingSource(polling, read, async () => marks.close())(tell, seen);
  };
}
