import { slotOf } from '../../db/keyspace/placement.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { endPolls, pollEvery } from '../../runtime/polling.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { AnnounceChange } from '../cache/announce-change.ts';
import { NoKeysError, type KeySupply } from '../keys/key-supply.ts';
import type { TakenKey } from '../keys/taken-key.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import type { Fate } from './policy.ts';
import { pruneReservations } from './prune-reservations.ts';
import { Reservations } from './reservations.ts';
import type { DrawnKey, ReservationsOptions } from './reserved-request.ts';

export interface OpenReservationsOptions {
  readonly supply: KeySupply;
  readonly servers: UrlsServers;
  readonly bind: ReservationsOptions['bind'];
  /** Makes this mapper forget that it did not know a key. */
  readonly appeared: (key: string) => void;
  readonly announce: AnnounceChange;
  readonly log: Log;
}

/** Reservations over the stores of a mapper, and their work in the background. */
export interface OpenReservations extends AsyncDisposable {
  readonly reservations: Reservations;
}

const PRUNE_EVERY_MS = 3_600_000;
/** Not at once: the start of a mapper has more urgent work. */
const PRUNE_FIRST_MS = 90_000;
/** How long keys are drawn for a server that takes links. */
const DRAW_MS = 2_000;

/** Also starts the work in the background: removing reservations that have expired. */
export function openReservations(options: OpenReservationsOptions): OpenReservations {
  const { supply, servers, bind, appeared, announce, log } = options;
  const all = servers.all.map((server) => ({
    db: server.reservations,
    isUp: () => server.isUp,
    isWritable: () => server.isWritable,
  }));
  const stopping = new AbortController();
  const pruning = (async () => {
    await pauseQuietly(PRUNE_FIRST_MS, stopping.signal);
    await pollEvery(PRUNE_EVERY_MS, stopping.signal, async () =>
      pruneReservations(all, stopping.signal, log),
    );
  })();
  return {
    reservations: new Reservations({
      servers: all,
      slotOf,
      drawKey: async () => drawKey(supply, servers),
      bind,
      // An alias may be cached as unknown anywhere, and the process that bound it may have died before it
      // said so.
      appeared: async ({ key, alias }) => {
        if (alias === true) await announce(key);
        else appeared(key);
      },
      now: monotonicMs,
    }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(pruning);
    },
  };
}

/** Draws keys until one is for a server that takes links. @throws NoKeysError, StoreUnavailableError */
export async function drawKey(supply: KeySupply, servers: UrlsServers): Promise<DrawnKey> {
  const giveUpMs = monotonicMs() + DRAW_MS;
  for (;;) {
    // A server that takes owned links takes all.
    const next = servers.nextToBind('owned');
    if (next === 'none') throw new StoreUnavailableError('every urls server', 'none takes links now');
    if (monotonicMs() > giveUpMs) throw new NoKeysError();
    const taken = supply.tryDraw(next === 'any' ? undefined : next) ?? (await supply.draw());
    if (!servers.avoids(taken.server, 'owned'))
      return { key: taken.key, settle: (fate) => settle(supply, taken, fate) };
    supply.dropped(taken, 'slot_down');
  }
}

function settle(supply: KeySupply, taken: TakenKey, fate: Fate): void {
  switch (fate) {
    case 'bound':
      supply.bound(taken);
      break;
    case 'duplicate':
      supply.duplicate(taken);
      break;
    case 'unused':
      supply.unused(taken);
      break;
    case 'unresolved':
      supply.dropped(taken, 'unresolved');
      break;
  }
}
