import { expect } from 'chai';
import { forgetLog, recentLog, showLogOfFailure } from '../recent-log.ts';

describe('the log of parts under test', () => {
  function stackOf(state: 'failed' | 'passed'): string {
    const err = new Error('expected 503 to equal 200');
    showLogOfFailure({ currentTest: { state, err } } as unknown as Mocha.Context);
    return err.stack ?? '';
  }

  it('is shown of a test that fails, with its last warnings', () => {
    recentLog.warn('of an earlier test');
    forgetLog();
    recentLog.info('nothing special');
    for (let count = 1; count <= 25; count += 1)
      recentLog.warn({ error: new Error('no connection'), count }, 'urls-1 is away');
    const stack = stackOf('failed');
    expect(stack)
      .to.match(/^Error: expected 503 to equal 200\n/)
      .and.include('Error: no connection');
    expect(stack.match(/urls-1 is away/g)).to.have.length(20);
    expect(stack).not.to.match(/earlier|special|"count":5,/);
    expect(stackOf('passed')).not.to.include('urls-1');
    forgetLog();
    expect(stackOf('failed')).not.to.include('warnings');
  });
});
