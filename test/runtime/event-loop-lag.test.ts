import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { createMetrics, type Metrics } from '../../runtime/metrics.ts';

const STALL_MS = 80;
const SHORT_ROUNDS = 200;
const METRICS = new URL('../../runtime/metrics.ts', import.meta.url).href;

describe('the lag of the event loop', () => {
  it('is that of its rounds: short ones are told as short, and the longest by its length', async () => {
    const metrics = createMetrics();
    await lagOf(metrics);
    for (let round = 0; round < SHORT_ROUNDS; round += 1) await nextRound();
    const began = performance.now();
    while (performance.now() - began < STALL_MS);
    await nextRound();
    const { min, p50, p99, max, mean } = await lagOf(metrics);
    expect(max).to.be.within(STALL_MS / 1_000, 10);
    for (const value of [min, p50]) expect(value).to.be.within(1e-9, 0.009);
    expect(p99).to.be.within(p50, max);
    expect(mean).to.be.within(min, max);
  });

  it('is told once by each scrape, and a round between two scrapes is enough', async () => {
    const metrics = createMetrics();
    await nextRound();
    const texts = await Promise.all([metrics.text(), metrics.text()]);
    for (const text of texts)
      expect(text.match(/^keymill_nodejs_eventloop_lag_p99_seconds \S+$/gm)).to.have.length(1);
    for (const value of Object.values(await lagOf(metrics))) expect(value).to.be.within(0, 60);
  });

  it('costs a process nothing that has nothing to do: nobody wakes it', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { createMetrics } from '${METRICS}';
      createMetrics();
      const rounds = () => performance.nodeTiming.uvMetricsInfo.loopCount;
      await new Promise((resolve) => setTimeout(resolve, 50));
      const before = rounds();
      await new Promise((resolve) => setTimeout(resolve, 500));
      console.log(rounds() - before);`,
    ]);
    // A timer of 10 ms would be 50 of them.
    expect(Number(stdout)).to.be.within(1, 15);
  });
});

async function nextRound(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** In seconds, since the call before. */
async function lagOf(metrics: Metrics): Promise<Record<'min' | 'max' | 'mean' | 'p50' | 'p99', number>> {
  const text = await metrics.text();
  const valueOf = (figure: string): number =>
    Number(new RegExp(`^keymill_nodejs_eventloop_lag_${figure}_seconds (\\S+)$`, 'm').exec(text)?.[1]);
  return {
    min: valueOf('min'),
    max: valueOf('max'),
    mean: valueOf('mean'),
    p50: valueOf('p50'),
    p99: valueOf('p99'),
  };
}
