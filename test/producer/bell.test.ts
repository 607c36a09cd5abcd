import { expect } from 'chai';
import { Bell } from '../../producer/bell.ts';

describe('Bell', () => {
  const never = new AbortController().signal;

  it('remembers a ring that came before the wait', async () => {
    const bell = new Bell();
    bell.ring();
    await bell.wait(60_000, never);
  });

  it('wakes all waiting loops', async () => {
    const bell = new Bell();
    const woken = Promise.all([bell.wait(60_000, never), bell.wait(60_000, never)]);
    bell.ring();
    await woken;
  });

  it('wakes after the timeout and when aborted', async () => {
    const bell = new Bell();
    await bell.wait(1, never);
    const stop = new AbortController();
    const waiting = bell.wait(60_000, stop.signal);
    stop.abort();
    await waiting;
    await bell.wait(60_000, stop.signal);
    expect(stop.signal.aborted).to.equal(true);
  });
});
