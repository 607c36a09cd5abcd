import type { NetworkFault } from './wire-control.ts';

const TIMEOUT_MS = 5_000;

export interface WireAddress {
  /** URL of the control channel. */
  readonly control: string;
  readonly token: string;
}

/**
 * Makes a fault of the network in front of one server, for all its clients.
 * @throws Error when the wire refuses or does not answer
 */
export async function injectNetworkFault(
  { control, token }: WireAddress,
  server: string,
  fault: NetworkFault,
): Promise<void> {
  const answer = await fetch(`${control}/${server}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(fault),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`the wire refused ${JSON.stringify(fault)}: ${await answer.text()}`);
}
