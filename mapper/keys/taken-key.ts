import type { UrlsServer } from '../urls/urls-server.ts';
import type { WatchedPool } from './watched-pool.ts';

/** A key in this mapper's hands: in the reserve, or drawn for a request and not yet bound or dropped. */
export interface TakenKey {
  readonly key: string;
  /** `slotOf(key)`: the row that binds the key carries it on. */
  readonly slot: number;
  readonly from: WatchedPool;
  /** Monotonic milliseconds. */
  readonly takenAtMs: number;
  /** The owner of the slot. */
  readonly server: UrlsServer;
}
