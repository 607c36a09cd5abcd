import type { UrlsServer } from '../urls/urls-server.ts';
import type { KeySource } from './key-source.ts';

/** A key that this mapper holds: in the reserve, or drawn for a request and not yet bound or dropped. */
export interface TakenKey {
  readonly key: string;
  /** `slotOf(key)`, copied to the row that binds the key. */
  readonly slot: number;
  readonly from: KeySource;
  /** Monotonic milliseconds. */
  readonly takenAtMs: number;
  /** The owner of the slot. */
  readonly server: UrlsServer;
}
