import { expect } from 'chai';
import { readSources } from '../../scripts/checks/sources.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { checkModel, parseResult, type ModelResult } from './model-check.ts';
import { faultOf, linesOfSteps, readFile, readReadme, stepsOf } from './modelled.ts';

/** Each check visits all states within its bounds. Together they cover the faults, two or three at a time. */
const CHECKS: Record<string, readonly string[]> = {
  'three reigns over two workers': ['REIGNS=3'],
  'an operation that is carried out later or never, and claims for another pool': ['CUTS=1', 'ASIDE=1'],
  'a Redis that comes back empty, and its lost keys recycled': ['RESTORES=1', 'BATCHES=3'],
  'a Redis that comes back with an old copy': ['RESTORES=1', 'COPIES=1'],
  'a Redis that comes back with an old copy, and a late operation': [
    'REIGNS=1',
    'RESTORES=1',
    'COPIES=1',
    'CUTS=1',
  ],
  'a mapper that dies, and its key recycled': ['DEATHS=1', 'BATCHES=3'],
};

const LIVENESS: Record<string, readonly string[]> = {
  'lost answers and claims for another pool': ['KEYS=1', 'CUTS=1', 'ASIDE=1'],
  'a Redis that comes back empty': ['RESTORES=1'],
};

/** A removed rule, the property that must then break, and the smallest bounds that show it. */
const MUTANTS: readonly (readonly [rule: string, property: string, ...bounds: string[]])[] = [
  ['NO_EPOCH_IN_CLAIM', 'staleClaim'],
  ['NO_FOR_UPDATE', 'staleClaim'],
  ['NO_CZXID_IN_RAISE', 'stuck'],
  ['NO_LOOK_AT_LOG', 'stuck', 'CUTS=1', 'ASIDE=1'],
  ['NO_RECONCILE', 'stuck'],
  ['NO_EPOCH_IN_DELIVER', 'staleDelivery'],
  ['NO_DUPLICATE_IN_DELIVER', 'deliveredTwice'],
  ['NO_GAP_IN_DELIVER', 'silentLoss', 'RESTORES=1'],
  ['NO_SEQ_IN_SKIP', 'deliveredTwice', 'RESTORES=1', 'CUTS=1'],
  ['NO_LOSS_RECORDED', 'silentLoss', 'RESTORES=1'],
  ['NO_PRIMARY_KEY', 'boundTwice', 'RESTORES=1', 'COPIES=1'],
];

describe('the hand-off, model-checked', function () {
  this.timeout(300_000);
  const readme = readReadme();

  for (const [what, defines] of Object.entries(CHECKS)) {
    it(`is safe with ${what}`, async () => {
      const result = await checkModel({ defines });
      expect(result).to.include({ broken: undefined, isExhaustive: true });
      expect(readme).to.include(lineOf(what, result));
    });
  }

  for (const [what, defines] of Object.entries(LIVENESS)) {
    it(`always ends in a reign that has delivered everything, with ${what}`, async () => {
      const result = await checkModel({ defines, isLiveness: true });
      expect(result).to.include({ broken: undefined, isExhaustive: true });
      expect(readme).to.include(lineOf(`\`takeover\` with ${what}`, result));
    });
  }

  for (const [rule, property, ...bounds] of MUTANTS) {
    it(`breaks without a rule: ${rule} → ${property}`, async () => {
      expect(await checkModel({ defines: [rule, ...bounds], isMutant: true })).to.include({
        broken: property,
      });
    });
  }

  it('does not end without a rule: NO_LOOK_AT_LOG → takeover', async () => {
    const defines = ['NO_LOOK_AT_LOG', 'REIGNS=1', 'CUTS=1', 'ASIDE=1'];
    expect(await checkModel({ defines, isMutant: true, isLiveness: true })).to.include({
      broken: 'takeover',
    });
  });

  it('does not count as checked when the search was cut short', () => {
    const whole = 'State-vector 120 byte, depth reached 43, errors: 0\n   144763 states, stored\n';
    expect(parseResult(whole)).to.deep.equal({
      broken: undefined,
      isExhaustive: true,
      states: 144_763,
      depth: 43,
    });
    for (const warning of ['error: max search depth too small\n', 'Warning: Search not completed\n']) {
      expect(parseResult(warning + whole).isExhaustive).to.equal(false);
    }
    expect(() => parseResult('pan: out of memory')).to.throw('no result');
  });

  it('lists in README.md functions that exist, and the lines on which their steps begin', () => {
    const steps = stepsOf(readme);
    expect(steps).to.have.length.above(20);
    expect(steps.flatMap(({ code }) => faultOf(code) ?? [])).to.deep.equal([]);
    const lines = linesOfSteps();
    for (const { step, line } of steps) expect(line, step).to.equal(lines.get(step)?.line);
    const listed = new Set(steps.map(({ step }) => step));
    const named = [...lines].flatMap(([step, { isInline }]) => (isInline ? [] : [step]));
    expect(named.filter((step) => !listed.has(step))).to.deep.equal([]);
  });

  it('is named in README.md alone, not in the code that it models', () => {
    const scripts = stepsOf(readme).flatMap(({ code }) => (code.endsWith('.lua') ? [code] : []));
    const files = [
      ...readSources(REPOSITORY).filter(({ path }) => !path.startsWith('test/')),
      ...scripts.map((path) => ({ path, text: readFile(path) })),
    ];
    // A list of tests may have those of the model.
    const naming = files.filter(({ text }) => /test\/model(?!\/[\w-]+\.test\.ts)/.test(text));
    expect(naming.map(({ path }) => path)).to.deep.equal([]);
  });

  it('notices a function or a step that is gone', () => {
    const source = (): string => 'export function claim(a: string): void {\n';
    expect(faultOf('db/claims.ts:claim', source)).to.equal(undefined);
    expect(faultOf('db/claims.ts:gone', source)).to.equal('db/claims.ts has no gone');
    expect(faultOf('db/nowhere.ts:claim')).to.equal('db/nowhere.ts does not exist');
    expect(faultOf('db/claims.ts', source)).to.equal('db/claims.ts names no function');
    const model = (): string => 'byte b;\ninline accept(b_) {\n  /* Step own. */\n';
    expect(linesOfSteps(model).get('own')).to.deep.equal({ line: 'stores.pml:3', isInline: false });
    expect(linesOfSteps(model).get('gone')).to.equal(undefined);
  });
});

/** As README.md lists the result. */
function lineOf(what: string, { states, depth }: ModelResult): string {
  return `- ${what}: ${states.toLocaleString('en-US')} states, depth ${depth}`;
}
