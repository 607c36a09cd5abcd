import { expect } from 'chai';
import { Breaker, type BreakerState } from '../../runtime/breaker.ts';

describe('a circuit breaker', () => {
  let nowMs: number;
  let changes: BreakerState[];
  let breaker: Breaker;

  beforeEach(() => {
    nowMs = 1_000;
    changes = [];
    breaker = new Breaker({
      failures: 3,
      coolDownMs: 100,
      maxCoolDownMs: 350,
      now: () => nowMs,
      onChanged: (state) => changes.push(state),
    });
  });

  function open(): void {
    for (let failure = 0; failure < 3; failure += 1) breaker.failed();
  }

  it('opens after n failures in a row, and no sooner', () => {
    breaker.failed();
    breaker.failed();
    breaker.succeeded();
    breaker.failed();
    breaker.failed();
    expect(breaker.state).to.equal('closed');
    breaker.failed();
    expect(breaker.state).to.equal('open');
    expect(breaker.isClosed).to.equal(false);
  });

  it('gives no trial while closed', () => expect(breaker.tryTrial()).to.equal(false));

  it('gives one trial when the cool-down is over', () => {
    open();
    expect(breaker.tryTrial()).to.equal(false);
    nowMs += 99;
    expect(breaker.msUntilTrial).to.equal(1);
    expect(breaker.tryTrial()).to.equal(false);
    nowMs += 1;
    expect(breaker.tryTrial()).to.equal(true);
    expect(breaker.state).to.equal('half-open');
    expect(breaker.tryTrial()).to.equal(false);
  });

  it('closes on a successful trial, and starts over', () => {
    open();
    nowMs += 100;
    breaker.tryTrial();
    breaker.succeeded();
    expect(breaker.isClosed).to.equal(true);
    breaker.failed();
    breaker.failed();
    expect(breaker.isClosed).to.equal(true);
    expect(changes).to.deep.equal(['open', 'half-open', 'closed']);
  });

  it('waits twice as long after each failed trial, up to a bound, and as at first after a success', () => {
    open();
    for (const coolDownMs of [100, 200, 350, 350]) {
      expect(breaker.msUntilTrial).to.equal(coolDownMs);
      nowMs += coolDownMs;
      expect(breaker.tryTrial()).to.equal(true);
      breaker.failed();
      expect(breaker.state).to.equal('open');
    }
    nowMs += 350;
    breaker.tryTrial();
    breaker.succeeded();
    open();
    expect(breaker.msUntilTrial).to.equal(100);
  });

  it('ignores an answer to a request from before it opened', () => {
    open();
    breaker.succeeded();
    expect(breaker.state).to.equal('open');
  });

  it('gives another trial when the first was never reported', () => {
    open();
    nowMs += 100;
    expect(breaker.tryTrial()).to.equal(true);
    nowMs += 100;
    expect(breaker.tryTrial()).to.equal(true);
  });
});
