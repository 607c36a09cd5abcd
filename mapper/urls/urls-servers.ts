import { setImmediate } from 'node:timers/promises';
import { slotOf } from '../../db/keyspace/placement.ts';
import { createLinks } from '../../db/urls/links-by-slot.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import type { Replica } from './replica.ts';
import type { UrlsServer } from './urls-server.ts';
import { ROW_KINDS, type RowKind } from './urls-writes.ts';

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
   * none in flight. While one hangs, any other one will do.
   *
   * `'any'`: all are busy, or one of them is down. If a server that is down were skipped, its keys would stay
   * in the reserve until they filled it. `'none'`: all are down, so a key should not be drawn at all.
   *
   * One pass answers all of this, so that each breaker is checked only once before a row has a key.
   */
  nextToBind(kind: RowKind): UrlsServer | 'any' | 'none' {
    let gathering: UrlsServer | undefined;
    let idle: UrlsServer | undefined;
    let busy: UrlsServer | undefined;
    let writable = 0;
    let hanging = 0;
    for (const server of this.all) {
      if (!server.takes(kind)) continue;
      writable += 1;
      const lane = server.writes[kind];
      if (lane.isHanging) hanging += 1;
      else if (lane.binder.isGathering) gathering ??= server;
      else if (lane.binder.isIdle) idle ??= server;
      else busy ??= server;
    }
    if (writable === 0) return 'none';
    if (writable < this.all.length) return 'any';
    return gathering ?? idle ?? (hanging > 0 ? busy : undefined) ?? 'any';
  }

  /**
   * Whether a new row should not go to this server: it is down, or it hangs and another one does not.
   */
  avoids(server: UrlsServer, kind: RowKind): boolean {
    return !server.takes(kind) || (server.writes[kind].isHanging && this.#hasBrisk(kind));
  }

  /**
   * Repeatedly called for each server: looks whether its writes hang, and proves whether it writes if that is
   * in doubt. Never rejects.
   */
  async pollWrites(server: UrlsServer): Promise<void> {
    // After a stall of the event loop, timers run before sockets are read: first read the answers that have
    // arrived.
    await setImmediate();
    await Promise.all(ROW_KINDS.map(async (kind) => this.#judgeWrites(server, kind)));
  }

  async #judgeWrites(server: UrlsServer, kind: RowKind): Promise<void> {
    const lane = server.writes[kind];
    if (lane.noticeHanging() && this.#hasBrisk(kind)) lane.binder.failQueuedKeys();
    await lane.prove();
  }

  /** Whether any server takes new links and does not hang. */
  #hasBrisk(kind: RowKind): boolean {
    return this.all.some((server) => server.takes(kind) && !server.writes[kind].isHanging);
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
    await Promise.all(this.all.map(async ({ writes }) => writes.idle()));
  }
}
