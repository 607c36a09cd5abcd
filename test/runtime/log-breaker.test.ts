import { expect } from 'chai';
import { Breaker } from '../../runtime/breaker.ts';
import { logBreaker } from '../../runtime/log-breaker.ts';
import type { Log } from '../../runtime/log.ts';

describe('what is logged of a breaker', () => {
  it('is why it opened and that it closed, and each trial that failed on level debug', () => {
    const lines: unknown[] = [];
    const write = (level: string) => (fields: object, message: string) =>
      void lines.push([level, { ...fields }, message]);
    const log = { warn: write('warn'), debug: write('debug') } as unknown as Log;
    let nowMs = 0;
    const breaker = new Breaker({
      failures: 2,
      coolDownMs: 100,
      maxCoolDownMs: 100,
      now: () => nowMs,
      onChanged: logBreaker(log, 'pool: breaker changed', { pool: 'redis-1' }),
    });
    breaker.failed(new Error('no answer within 500 ms'));
    breaker.failed(new Error('no answer within 500 ms'));
    nowMs += 100;
    breaker.tryTrial();
    breaker.failed();
    nowMs += 100;
    breaker.tryTrial();
    breaker.succeeded();
    const pool = 'redis-1';
    const message = 'pool: breaker changed';
    expect(lines).to.deep.equal([
      ['warn', { pool, state: 'open', reason: 'no answer within 500 ms' }, message],
      ['debug', { pool, state: 'open' }, message],
      ['warn', { pool, state: 'closed' }, message],
    ]);
  });
});
