import type { BreakerOptions } from './breaker.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

/**
 * For a breaker's `onChanged`: one line when it opens, with the reason, and one when it closes again. A trial
 * that fails has a line of its own, on level debug.
 * @param message of each line, such as `pool: breaker changed`
 * @param fields which one it is
 */
export function logBreaker(
  log: Log,
  message: string,
  fields: Readonly<Record<string, string>>,
): NonNullable<BreakerOptions['onChanged']> {
  let isOpen = false;
  return (state, cause) => {
    if (state === 'half-open') return;
    const level = state === 'open' && isOpen ? 'debug' : 'warn';
    isOpen = state === 'open';
    const reason = cause === undefined ? {} : { reason: messageOf(cause) };
    log[level]({ ...fields, state, ...reason }, message);
  };
}
