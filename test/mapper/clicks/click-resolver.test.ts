import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { monotonicMs } from '../../../runtime/clock.ts';
import { ClickResolver } from '../../../mapper/clicks/click-resolver.ts';
import { ClickRing } from '../../../mapper/clicks/click-ring.ts';
import { UNRESOLVED } from '../../../mapper/clicks/resolved-click.ts';

const SENDER = { address: '10.0.0.1', isProxy: false };
const QUIET_MS = 600;
const BUSY_MS = 400;
/** Of some ms each: so many that there is no time for them on any machine. */
const CLICKS_A_TURN = 2_000;

function workFor(ms: number): void {
  for (const endMs = monotonicMs() + ms; monotonicMs() < endMs;);
}

describe('the headers of clicks', () => {
  it('wait from the first moments of a load that leaves no time, also when all was quiet before', async () => {
    const ring = new ClickRing({ capacity: 4_096, maxBytes: 2 ** 24 });
    let isBusy = true;
    let read = 0;
    const resolver = new ClickResolver({
      ring,
      // 50 of them take a millisecond, and are followed by a rest of 48.
      resolve: () => {
        if (isBusy) workFor(0.02);
        read += 1;
        return UNRESOLVED;
      },
      onResolved: () => undefined,
    });
    const come = (): void => {
      if (ring.push('key', 0, 'x', 0, SENDER) && ring.size === 1) resolver.wake();
    };
    come();
    await delay(QUIET_MS);
    expect(read).to.equal(1);
    const startedMs = monotonicMs();
    // On a machine with much other work, the load may be noticed later.
    const mayEnd = (ms: number): boolean => ms > BUSY_MS && (ring.room < 1_000 || ms > 10 * BUSY_MS);
    while (!mayEnd(monotonicMs() - startedMs)) {
      for (let click = 0; click < CLICKS_A_TURN; click += 1) come();
      workFor(1);
      await nextTurn();
    }
    expect(ring.room, 'few may wait').to.be.below(1_000);
    const pieces = Math.ceil((read - 1) / 50);
    const tookMs = monotonicMs() - startedMs;
    isBusy = false;
    await resolver.close();
    expect(pieces, 'a tenth of the time').to.be.within(1, tookMs / 10);
    expect([ring.size, ring.room]).to.deep.equal([0, 4_096]);
  });
});
