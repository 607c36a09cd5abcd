import type { Fault } from '../proxy/wire-control.ts';
import type { Stage } from './stage.ts';

/** Faults of the network before one server, for everybody who goes through the cluster's wire. */

export const WIRE_FAULTS = ['silence', 'cuts', 'delay'] as const;
export type WireFault = (typeof WIRE_FAULTS)[number];

const CUT_EVERY_MS = 300;
/** Enough for a length and some of what it announces, too little for a whole answer of any of the servers. */
const MID_PACKET_BYTES = 5;
const DELAY_MS = 50;

/** Such a fault before a server: what it is, how it begins, how it ends. */
export interface WireHavoc {
  readonly what: string;
  readonly begin: () => Promise<void>;
  readonly heal: () => Promise<void>;
}

export function wireHavoc(stage: Stage, server: string, kind: WireFault): WireHavoc {
  const make = async (fault: Fault): Promise<void> => stage.cluster.makeFault(server, fault);
  const heal = async (): Promise<void> => make({ fault: 'heal' });
  if (kind === 'silence')
    return { what: `silence before ${server}`, begin: async () => make({ fault: 'silence' }), heal };
  if (kind === 'delay') {
    const begin = async (): Promise<void> => make({ fault: 'delay', ms: DELAY_MS });
    return { what: `${DELAY_MS} ms more each way to ${server}`, begin, heal };
  }
  const cut = async (): Promise<void> => make({ fault: 'cut-mid-packet', bytes: MID_PACKET_BYTES });
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
