import { expect } from 'chai';
import { DrainRate } from '../../producer/pools/drain-rate.ts';

describe('DrainRate', () => {
  it('finds a steady rate', () => {
    const rate = new DrainRate(1_000);
    for (let i = 0; i <= 200; i += 1) rate.observe(100_000 - i * 50, i * 100);
    expect(rate.keysPerSecond).to.be.closeTo(500, 1);
  });

  it('leaves out intervals in which a delivery landed', () => {
    const rate = new DrainRate(1_000);
    let level = 10_000;
    for (let i = 0; i <= 400; i += 1) {
      level += i % 10 === 9 ? 450 : -50;
      rate.observe(level, i * 100);
    }
    expect(rate.keysPerSecond).to.be.closeTo(500, 1);
  });

  it('goes half of the way to a new rate within its half-life, and to 0 without takes', () => {
    const rate = new DrainRate(1_000);
    rate.observe(1_000, 0);
    rate.observe(0, 1_000);
    expect(rate.keysPerSecond).to.be.closeTo(500, 1);
    rate.observe(0, 11_000);
    expect(rate.keysPerSecond).to.be.lessThan(1);
  });

  it('does not take lost data for takes', () => {
    const rate = new DrainRate(1_000);
    rate.observe(50_000, 0);
    rate.skipInterval();
    rate.observe(0, 100);
    expect(rate.keysPerSecond).to.equal(0);
  });

  it('hardly changes by a loss that was not reported', () => {
    const rate = new DrainRate();
    let atMs = 0;
    for (let loss = 0; loss < 10; loss += 1) {
      for (let i = 0; i < 100; i += 1) rate.observe(10_000, (atMs += 100));
      rate.observe(0, (atMs += 100));
    }
    // Keys for five minutes at this rate do not fill a pool of 10,000.
    expect(rate.keysPerSecond * 300).to.be.lessThan(10_000);
  });

  it('follows takes that really grow, however fast', () => {
    const rate = new DrainRate();
    let level = 1e9;
    for (let i = 0; i < 900; i += 1) rate.observe((level -= 2_000), i * 100);
    expect(rate.keysPerSecond).to.be.greaterThan(10_000);
  });
});
