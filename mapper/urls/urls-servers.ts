import { slotOf } from '../../db/keyspace/placement.ts';
import { createLinks } from '../../db/urls/links-by-slot.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import type { Replica } from './replica.ts';
import type { UrlsServer } from './urls-server.ts';

/** The urls servers of the map, by the slot of a key. */
export class UrlsServers {
  readonly all: readonly UrlsServer[];
  readonly #bySlot: readonly UrlsServer[];

  /** @param servers one for each of `dbs`, in their order */
  constructor(dbs: readonly UrlsDb[], servers: readonly UrlsServer[]) {
    const serverOf = new Map(dbs.map((db, index) => [db, servers[index] as UrlsServer]));
    this.all = servers;
    this.#bySlot = createLinks(dbs).bySlot.map((db) => serverOf.get(db) as UrlsServer);
  }

  get replicas(): readonly Replica[] {
    return this.all.flatMap(({ replicas }) => replicas);
  }

  /** Whether any redirect can be served; a replica is enough for that. */
  get isAnyReadable(): boolean {
    return [...this.all, ...this.replicas].some(({ isUp }) => isUp);
  }

  /**
   * The server that would bind a new row soonest: the one that gathers an INSERT now, or else one that has
   * none in flight.
   *
   * `'any'`: all are busy, or one of them is down. If a server that is down were skipped, its keys would stay
   * in the reserve until they filled it. `'none'`: all are down, so a key should not be drawn at all.
   *
   * One pass answers all of this, so that each breaker is checked only once before a row has a key.
   */
  get nextToBind(): UrlsServer | 'any' | 'none' {
    let gathering: UrlsServer | undefined;
    let idle: UrlsServer | undefined;
    let up = 0;
    for (const server of this.all) {
      if (!server.isUp) continue;
      up += 1;
      if (server.binder.isGathering) gathering ??= server;
      else if (server.binder.isIdle) idle ??= server;
    }
    if (up === 0) return 'none';
    if (up < this.all.length) return 'any';
    return gathering ?? idle ?? 'any';
  }

  for(key: string): UrlsServer {
    return this.at(slotOf(key));
  }

  /** The server that owns `slot`. */
  at(slot: number): UrlsServer {
    return this.#bySlot[slot] as UrlsServer;
  }

  /** Which of `keys` are bound: one read per server, all at the same time. */
  async findBound(keys: readonly string[]): Promise<ReadonlySet<string>> {
    const byServer = Map.groupBy(keys, (key) => this.for(key));
    const found = await Promise.all(Array.from(byServer, async ([server, group]) => server.existing(group)));
    return new Set(found.flatMap((keysOfOne) => [...keysOfOne]));
  }

  /** Resolves when no row waits for any server. */
  async idle(): Promise<void> {
    await Promise.all(this.all.map(async ({ binder }) => binder.idle()));
  }
}
