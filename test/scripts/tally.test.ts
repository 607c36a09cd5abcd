import { expect } from 'chai';
import { add, failuresOfMocha, formatTally, NOTHING, tallyOfMocha } from '../../scripts/checks/tally.ts';

describe('the last line of a test run', () => {
  it('has the counts of mocha', () => {
    const output = '\n  12 passing (3s)\n  1 pending\n  2 failing\n';
    expect(tallyOfMocha(output, 2)).to.deep.equal({ passed: 12, failed: 2, skipped: 1 });
  });

  it('reads coloured output, and the last summary when a test printed one', () => {
    const output =
      '  99 passing (1s)\n\u001B[92m \u001B[0m\u001B[32m 4 passing\u001B[0m\u001B[90m (1s)\u001B[0m\n';
    expect(tallyOfMocha(output, 0)).to.deep.equal({ passed: 4, failed: 0, skipped: 0 });
  });

  it('counts a run that crashed as a failure', () => {
    expect(tallyOfMocha('SyntaxError: no', 1)).to.deep.equal({ passed: 0, failed: 1, skipped: 0 });
    expect(tallyOfMocha('  3 passing (1s)\n', 7)).to.deep.equal({ passed: 3, failed: 1, skipped: 0 });
  });

  it('keeps its form, because other programs read it', () => {
    expect(formatTally(add(NOTHING, { passed: 3, failed: 0, skipped: 1 }))).to.equal(
      '3 passed, 0 failed, 1 skipped',
    );
  });

  it('finds what failed tests said, below the last summary', () => {
    const output =
      '  the store\n\n  2 passing (3s)\n  1 failing\n\n  1) the store\n       is full:\n     Error: no\n\n';
    expect(failuresOfMocha(output)).to.equal('1) the store\n       is full:\n     Error: no');
    expect(failuresOfMocha('  4 passing (10ms)\n')).to.equal('');
  });
});
