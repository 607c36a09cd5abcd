import { expect } from 'chai';
import { MismatchError, StoreUnavailableError } from '../../../db/store-errors.ts';
import { CounterMarkWatch } from '../../../mapper/keys/counter-mark-watch.ts';
import { createLog } from '../../../runtime/log.ts';

describe('the watch over the mark of the counter', () => {
  it('logs once what only a person can mend, and nothing of an outage', async () => {
    const log = createLog('test', 'watch', 'silent');
    const logged: string[] = [];
    log.error = (fields: unknown) => void logged.push(`error ${JSON.stringify(fields)}`);
    log.info = (message: unknown) => void logged.push(`info ${String(message)}`);
    let answer: number | Error = 5;
    const watch = new CounterMarkWatch({
      marks: {
        read: async () => {
          if (typeof answer === 'number') return answer;
          throw answer;
        },
        raiseTo: async () => undefined,
      },
      issued: { recordCounter: () => undefined },
      canRaise: false,
      onGoneBack: () => undefined,
      log,
    });
    const missing = new MismatchError('users', 'a table is missing');
    for (answer of [5, new StoreUnavailableError('users', 'away'), missing, missing, 6, 7])
      await watch.poll(1_000);
    expect(logged).to.deep.equal([
      'error {"reason":"users: a table is missing"}',
      'info the mark of the counter is used again',
    ]);
    expect(watch.known).to.equal(7);
  });
});
