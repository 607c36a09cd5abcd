import { expect } from 'chai';
import { Attempts } from '../../producer/session/attempts.ts';

describe('Attempts', () => {
  it('counts how long a shard has been free from when it was first seen free', () => {
    const attempts = new Attempts(100);
    attempts.observeFree(['s1'], 1_000);
    expect(attempts.observeFree(['s1', 's2'], 1_500).map(({ freeForMs }) => freeForMs)).to.deep.equal([
      500, 0,
    ]);
    attempts.observeFree([], 1_600);
    expect(attempts.observeFree(['s1'], 1_700)).to.deep.equal([
      { shard: 's1', freeForMs: 0, blockedForMs: 0 },
    ]);
  });

  it('keeps away longer after every failure in a row, and forgets them after a success', () => {
    const attempts = new Attempts(100);
    const blockedForMs = (nowMs: number) => attempts.observeFree(['s1'], nowMs)[0]?.blockedForMs;
    const failAndLook = () => {
      attempts.failed('s1', 0, 1);
      return blockedForMs(0);
    };
    expect([failAndLook(), failAndLook(), failAndLook()]).to.deep.equal([100, 200, 400]);
    expect(blockedForMs(400)).to.equal(0);
    attempts.succeeded('s1');
    expect(failAndLook()).to.equal(100);
  });

  it('pauses for a bounded time, however many failures there were', () => {
    const attempts = new Attempts(100);
    for (let i = 0; i < 50; i += 1) attempts.failed('s1', 0, 1);
    expect(attempts.observeFree(['s1'], 0)[0]?.blockedForMs).to.equal(6_400);
  });

  it('blocks a shard until it is unblocked', () => {
    const attempts = new Attempts(100);
    attempts.block('s1', 5_000);
    expect(attempts.observeFree(['s1'], 1_000)[0]?.blockedForMs).to.equal(4_000);
    attempts.unblock('s1');
    expect(attempts.observeFree(['s1'], 1_000)[0]?.blockedForMs).to.equal(0);
  });
});
