import type { NetworkFault } from '../proxy/wire-control.ts';
import type { DrillRun } from './drill-run.ts';

/** What a fault is, how it begins, and how it is healed. */
export interface Fault {
  readonly what: string;
  begin(): Promise<void> | void;
  heal(): Promise<void> | void;
}

export const NETWORK_FAULTS = ['silence', 'cuts', 'delay'] as const;
export type NetworkFaultKind = (typeof NETWORK_FAULTS)[number];

const CUT_EVERY_MS = 300;
/** Enough for a length and the first bytes after it, too few for a whole answer of any of the servers. */
const MID_PACKET_BYTES = 5;
const DELAY_MS = 50;

/** A fault of the network in front of one server, for all producers and mappers. The cluster needs a wire. */
export function createNetworkFault({ cluster }: DrillRun, server: string, kind: NetworkFaultKind): Fault {
  const inject = async (fault: NetworkFault): Promise<void> => cluster.injectNetworkFault(server, fault);
  const heal = async (): Promise<void> => inject({ fault: 'heal' });
  if (kind === 'silence')
    return { what: `silence in front of ${server}`, begin: async () => inject({ fault: 'silence' }), heal };
  if (kind === 'delay') {
    const begin = async (): Promise<void> => inject({ fault: 'delay', ms: DELAY_MS });
    return { what: `${DELAY_MS} ms more each way to ${server}`, begin, heal };
  }
  const cut = async (): Promise<void> => inject({ fault: 'cut-mid-packet', bytes: MID_PACKET_BYTES });
  let timer: NodeJS.Timeout | undefined;
  return {
    what: `every ${CUT_EVERY_MS} ms a connection to ${server} is cut in the middle of an answer`,
    begin: async () => {
      await cut();
      timer = setInterval(() => void cut().catch(() => undefined), CUT_EVERY_MS);
    },
    heal: async () => {
      clearInterval(timer);
      await heal();
    },
  };
}
