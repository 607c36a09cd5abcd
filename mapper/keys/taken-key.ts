import type { UrlsServer } from '../urls/urls-server.ts';
import type { WatchedPool } from './watched-pool.ts';

/** A key in this mapper's hands: in the reserve, or drawn for a request and not yet settled. */
export interface TakenKey {
  readonly key: string;
  /** `slotOf(key)`: the row that binds the key carries it on. */
  readonly slot: number;
  readonly from: WatchedPool;
  readonly takenAtMs: number;
  /** That its link would lie on. */
  readonly server: UrlsServer;
}
