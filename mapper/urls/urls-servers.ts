import { createLinks } from '../../db/urls/links-by-slot.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import type { Replica } from './replica.ts';
import type { UrlsServer } from './urls-server.ts';

/** The urls servers of the map, by the slot of a key. */
export class UrlsServers {
  readonly all: readonly UrlsServer[];
  readonly #dbFor: (key: string) => UrlsDb;
  readonly #serverOf: ReadonlyMap<UrlsDb, UrlsServer>;

  /** @param servers one for each of `dbs`, in their order */
  constructor(dbs: readonly UrlsDb[], servers: readonly UrlsServer[]) {
    const links = createLinks(dbs);
    this.all = servers;
    this.#dbFor = (key) => links.dbFor(key);
    this.#serverOf = new Map(dbs.map((db, index) => [db, servers[index] as UrlsServer]));
  }

  get replicas(): readonly Replica[] {
    return this.all.flatMap(({ replicas }) => replicas);
  }

  get isAnyUp(): boolean {
    for (const server of this.all) if (server.isUp) return true;
    return false;
  }

  /** Whether any redirect can be served: for that, a replica will do. */
  get isAnyReadable(): boolean {
    return this.isAnyUp || this.replicas.some(({ isUp }) => isUp);
  }

  /**
   * Where a new row would be bound soonest and in the best company: by the INSERT that is about to leave, or else by a server that has
   * none under way. Undefined when all are busy. And when one is down: or the keys of its slots would be left over, and become the
   * whole reserve.
   */
  get nextToBind(): UrlsServer | undefined {
    let gathering: UrlsServer | undefined;
    let idle: UrlsServer | undefined;
    for (const server of this.all) {
      if (!server.isUp) return undefined;
      if (server.binder.isGathering) gathering ??= server;
      else if (server.binder.isIdle) idle ??= server;
    }
    return gathering ?? idle;
  }

  for(key: string): UrlsServer {
    return this.#serverOf.get(this.#dbFor(key)) as UrlsServer;
  }

  /** Which of `keys` are bound: one read per server, all at once. */
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
