import { expect } from 'chai';
import { BY_HAND, describePlan } from '../../../scripts/grow/plan-text.ts';
import type { Plan, PlannedStep } from '../../../scripts/grow/plan.ts';
import { SENTENCES, STEPS } from '../../../scripts/grow/steps.ts';

/** `count` steps are done; the next one is in this state. */
function planAfter(count: number, state: 'begun' | 'open', why?: string): Plan {
  const steps = STEPS.map((name, index): PlannedStep => {
    if (index < count) return { name, state: 'done', why: undefined };
    return index === count ? { name, state, why } : { name, state: 'open', why: `after ${STEPS[count]}` };
  });
  return { steps, next: STEPS[count], undo: STEPS[count - 1] };
}

describe('describePlan', () => {
  it('shows what is done, what is next, and what to type', () => {
    const lines = describePlan(planAfter(2, 'open'));
    expect(lines[1]).to.equal(`mapper     done   ${SENTENCES.mapper.does}`);
    expect(lines[3]).to.equal(`zookeeper  next   ${SENTENCES.zookeeper.does}`);
    expect(lines[4]).to.equal(`stores     -      ${SENTENCES.stores.does} (after zookeeper)`);
    const text = lines.join('\n');
    expect(text).to.match(/^Next: +\.\/scripts\/keymill grow --step zookeeper$/m);
    expect(text).to.match(/^All: +\.\/scripts\/keymill grow --yes$/m);
    expect(text).to.match(/^Undo: +\.\/scripts\/keymill grow --undo memory$/m);
    expect(text).to.include(SENTENCES.memory.undoes).and.to.include('2 GB');
  });

  it('says what a step lacks that is half done', () => {
    const lines = describePlan(planAfter(3, 'begun', 'mapper-2 must be restarted'));
    expect(lines.join('\n')).to.match(/^stores +half done +.*\(mapper-2 must be restarted\)$/m);
    expect(lines.join('\n')).to.include('put both into your proxy');
  });

  it('of a small cluster has nothing to undo, and of a full one nothing to do', () => {
    expect(describePlan(planAfter(0, 'open')).join('\n')).to.not.include('--undo');
    const full = describePlan(planAfter(STEPS.length, 'open')).join('\n');
    expect(full).to.not.include('--step');
    expect(full).to.include('--undo pools').and.to.include('The cluster is a full one');
  });

  it('by hand has the same steps', () => {
    for (const [index, name] of STEPS.entries())
      expect(BY_HAND.some((line) => line.startsWith(`  ${index + 1}. ${name} `))).to.equal(true);
  });
});
