import type { AnnounceChanges } from '../cache/announce-change.ts';
import type { KeySupply } from '../keys/key-supply.ts';
import type { RowMaker } from '../shorten/row-maker.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import type { Units } from './units.ts';

/** What links are made with. */
export interface BulkTools {
  readonly supply: Pick<KeySupply, 'drawMany' | 'bound' | 'dropped' | 'duplicate'>;
  readonly servers: UrlsServers;
  readonly rows: RowMaker;
  /** Makes this mapper forget that it did not know a key. */
  readonly appeared: (key: string) => void;
  readonly announce: AnnounceChanges;
  /** The links that all bulks of this process may have under way. Each item counts. */
  readonly units: Units;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}
