import { Resolver } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { codeOf, KeymillError } from '../../runtime/errors.ts';
import { isPublicAddress } from '../shorten/address-blocks.ts';

export interface LookupOptions {
  /** `address` or `address:port` of name servers. Empty: those of the machine. */
  readonly nameServers: readonly string[];
  /** For intranets and tests. */
  readonly allowPrivate: boolean;
}

interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** A name leads nowhere, or where nothing may be sent. The message is for the owner of a webhook. */
export class LookupError extends KeymillError {
  constructor(reason: string) {
    super('LOOKUP', reason);
  }
}

const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** Of one name. All are checked, and no more are tried. */
const MAX_TRIED = 8;
const NO_ADDRESS = 'its name has no address';

/**
 * A look-up for the connections to webhooks. The addresses that it has checked are those that the connection
 * is made to, so a name that changes meanwhile leads nowhere else. One address that is not public is enough
 * to refuse a name.
 *
 * Asks name servers directly. The look-up of the operating system would use the few threads of the process
 * for as long as a slow name server takes, and redirects would wait for them.
 */
export function createCheckedLookup({ nameServers, allowPrivate }: LookupOptions): LookupFunction {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (nameServers.length > 0) resolver.setServers(nameServers);
  const look = async (...[hostname, options, callback]: Parameters<LookupFunction>): Promise<void> => {
    let found: Address[];
    try {
      found = await resolveAll(resolver, hostname);
      if (!allowPrivate && found.some(({ address }) => isPublicAddress(address) !== true))
        throw new LookupError('its name leads to a private or reserved address');
      const { family } = options;
      if (family === 4 || family === 6) found = found.filter((one) => one.family === family);
      if (found.length === 0) throw new LookupError(NO_ADDRESS);
    } catch (error) {
      callback(error as Error, []);
      return;
    }
    const [first] = found as [Address];
    if (options.all === true) callback(null, found.slice(0, MAX_TRIED));
    else callback(null, first.address, first.family);
  };
  return (...asked) => void look(...asked);
}

/** @throws LookupError */
async function resolveAll(resolver: Resolver, hostname: string): Promise<Address[]> {
  if (hostname === 'localhost' || hostname.endsWith('.localhost'))
    return [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = answers.flatMap((answer, index) =>
    answer.status === 'fulfilled'
      ? answer.value.map((address): Address => ({ address, family: index === 0 ? 4 : 6 }))
      : [],
  );
  if (found.length > 0) return found;
  const codes = answers.map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : undefined));
  const isUnknown = codes.every((code) => code === 'ENOTFOUND' || code === 'ENODATA');
  throw new LookupError(isUnknown ? NO_ADDRESS : 'its name could not be looked up');
}
