import { expect } from 'chai';
import {
  formatAcknowledgement,
  formatQuestion,
  parseAcknowledgement,
  parseQuestion,
} from '../../db/redis/hearing-messages.ts';
import { judgeChange, type CopyState, type Heard } from '../../db/redis/hearing.ts';

/** A copy that both subscribers have acknowledged. */
const HEARD: CopyState = { taken: 2, acknowledged: 2, isAnswering: true, usual: undefined };

describe('judgeChange', () => {
  const cases: [
    what: string,
    copies: Partial<CopyState>[],
    before: Heard | 'waiting',
    whenTimeIsUp: Heard,
  ][] = [
    ['no shard at all', [], 'none', 'none'],
    ['every copy acknowledged', [{}, {}], 'all', 'all'],
    ['more acknowledgements than PUBLISH counted', [{ acknowledged: 3 }], 'all', 'all'],
    ['one acknowledgement missing', [{}, { acknowledged: 1 }], 'waiting', 'some'],
    ['PUBLISH not answered yet', [{}, { taken: 'pending', acknowledged: 2 }], 'waiting', 'all'],
    ['a shard that refused', [{}, { taken: 'refused' }], 'all', 'all'],
    ['all refused', [{ taken: 'refused' }, { taken: 'refused' }], 'none', 'none'],
    ['PUBLISH not answered, nor the pings', [{}, { taken: 'pending', isAnswering: false }], 'all', 'all'],
    ['taken, and silent since', [{}, { acknowledged: 1, isAnswering: false }], 'some', 'some'],
    ['acknowledged, and silent since', [{}, { isAnswering: false }], 'all', 'all'],
    ['silent, while another is waited for', [{ isAnswering: false }, { acknowledged: 0 }], 'waiting', 'some'],
    ['taken for nobody', [{ taken: 0, acknowledged: 0 }], 'none', 'none'],
    ['taken for nobody on one shard', [{}, { taken: 0, acknowledged: 0 }], 'all', 'all'],
    ['one did not acknowledge the last change either', [{ acknowledged: 1, usual: 1 }], 'some', 'some'],
    ['fewer than acknowledged the last change', [{ acknowledged: 0, usual: 1 }], 'waiting', 'some'],
    ['the one that was late has acknowledged', [{ acknowledged: 2, usual: 1 }], 'all', 'all'],
    ['that one was disconnected since', [{ taken: 1, acknowledged: 0, usual: 2 }], 'waiting', 'some'],
  ];
  for (const [what, copies, before, whenTimeIsUp] of cases) {
    it(what, () => {
      const states = copies.map((copy) => ({ ...HEARD, ...copy }));
      expect([judgeChange(states, false), judgeChange(states, true)]).to.deep.equal([before, whenTimeIsUp]);
    });
  }
});

describe('the messages about heard changes', () => {
  it('are read as they were written', () => {
    expect(parseQuestion(formatQuestion({ announcer: 'a-_Z09bc', number: 17 }))).to.deep.equal({
      announcer: 'a-_Z09bc',
      number: 17,
    });
    expect(parseAcknowledgement(formatAcknowledgement([1, 2, 17]))).to.deep.equal([1, 2, 17]);
  });

  it('may have further fields', () => {
    expect(parseQuestion('abc 5 later')).to.deep.equal({ announcer: 'abc', number: 5 });
  });

  for (const message of ['', 'abc', 'abc x', ' 5', 'a b 5', 'abc -1', 'abc 5later', `${'x'.repeat(33)} 5`]) {
    it(`are not taken from others: "${message}"`, () => expect(parseQuestion(message)).to.equal(undefined));
  }

  it('leave out what is no number', () => {
    expect(parseAcknowledgement('1 x 2  -3 1e3 99999999999999999999')).to.deep.equal([1, 2]);
  });
});
