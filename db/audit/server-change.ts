import type { KeptMark } from '../keys-db/kept-marks.ts';
import type { ServerMark } from '../urls/marks.ts';

/** What happened to a urls server since its mark was kept. */
export type ServerChange =
  | { readonly kind: 'new' }
  | { readonly kind: 'same' }
  /** Its process started again. Nothing else shows that it lacks links, but a copy may have been put back. */
  | { readonly kind: 'restarted'; readonly reason: string }
  /** It is another server, or shows an earlier state: it may lack links. */
  | { readonly kind: 'gone-back'; readonly reason: string };

/** Two readings of one start time differ by this at most. */
const START_TOLERANCE_S = 2;

/**
 * Compares a urls server with its kept mark. Pure.
 *
 * @param kept undefined when no mark of this server was ever kept
 * @param seen read after `kept`: a beat that another holder has counted up in between is not below it
 */
export function judgeServer(kept: KeptMark | undefined, seen: ServerMark): ServerChange {
  if (kept === undefined) return { kind: 'new' };
  const reason = reasonOf(kept, seen);
  if (reason !== undefined) return { kind: 'gone-back', reason };
  const laterS = seen.identity.startedS - kept.identity.startedS;
  return Math.abs(laterS) <= START_TOLERANCE_S
    ? { kind: 'same' }
    : { kind: 'restarted', reason: 'it started again' };
}

function reasonOf(kept: KeptMark, { identity, incarnation, beat }: ServerMark): string | undefined {
  const { host, port, serverId } = kept.identity;
  if (incarnation !== kept.incarnation) return 'it was set up again (another incarnation)';
  if (identity.host !== host) return `another server took over: host ${identity.host}, was ${host}`;
  if (identity.port !== port) return `another server took over: port ${identity.port}, was ${port}`;
  if (identity.serverId !== serverId)
    return `another server took over: server_id ${identity.serverId}, was ${serverId}`;
  if (beat === undefined) return `its mark is missing, the last one was ${kept.beat}`;
  if (beat < kept.beat) return `its mark is ${beat}, the last one was ${kept.beat}`;
  return undefined;
}
