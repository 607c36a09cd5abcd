import { expect } from 'chai';
import { AnswerHead, VARIES } from '../../mapper/http/answer-head.ts';

describe('the head of an answer', () => {
  it('puts the values that vary into their places, constant headers between and behind them', () => {
    const head = new AnswerHead(201, 'Created', [
      ['A', VARIES],
      ['B', 'b'],
      ['C', VARIES],
      ['D', VARIES],
      ['E', 'e'],
    ]);
    for (const ending of ['\r\nF: f\r\n\r\n', '\r\n\r\n'])
      expect(head.toText(ending, '1', '2', '3')).to.equal(
        `HTTP/1.1 201 Created\r\nA: 1\r\nB: b\r\nC: 2\r\nD: 3\r\nE: e${ending}`,
      );
  });

  it('refuses a description with fewer or more values than it can write', () => {
    const varying = (count: number) =>
      Array.from({ length: count }, (_, index) => [`H${index}`, VARIES] as const);
    for (const count of [0, 1, 4])
      expect(() => new AnswerHead(302, 'Found', varying(count)), String(count)).to.throw(RangeError);
    for (const count of [2, 3])
      expect(new AnswerHead(302, 'Found', varying(count)).toText('', '', '')).to.match(
        /^HTTP\/1.1 302 Found\r\nH0: /,
      );
  });
});
