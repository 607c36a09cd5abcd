import { expect } from 'chai';
import { readSources } from '../architecture/imports.ts';
import { citationsOf, faultOf, MODEL_FILES, readSource } from './citations.ts';
import { checkModel, parseResult } from './model-check.ts';

/**
 * Every check visits all states within its bounds; together they cover what may happen, two or three at a
 * time.
 */
const CHECKS: Record<string, readonly string[]> = {
  'three reigns over two workers': ['REIGNS=3'],
  'an operation that is carried out later or never, and claims for another pool': ['CUTS=1', 'ASIDE=1'],
  'a Redis that comes back empty, and what it lost recycled': ['RESTORES=1', 'BATCHES=3'],
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
  'lost replies and claims for another pool': ['KEYS=1', 'CUTS=1', 'ASIDE=1'],
  'a Redis that comes back empty': ['RESTORES=1'],
};

/**
 * Each rule taken away, the property that must then be seen to break, and the least that must happen for it.
 */
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

  for (const [what, defines] of Object.entries(CHECKS)) {
    it(`is safe with ${what}`, async () => {
      const result = await checkModel({ defines });
      expect(result).to.include({ broken: undefined, isExhaustive: true });
      expect(result.states).to.be.above(10_000);
      process.stdout.write(`        ${result.states} states, depth ${result.depth}\n`);
    });
  }

  for (const [what, defines] of Object.entries(LIVENESS)) {
    it(`always ends in a reign that has delivered everything, with ${what}`, async () => {
      const result = await checkModel({ defines, isLiveness: true });
      expect(result).to.include({ broken: undefined, isExhaustive: true });
      expect(result.states).to.be.above(1_000);
      process.stdout.write(`        ${result.states} states, depth ${result.depth}\n`);
    });
  }

  for (const [rule, property, ...bounds] of MUTANTS) {
    it(`is seen to break without a rule: ${rule} → ${property}`, async () => {
      expect(await checkModel({ defines: [rule, ...bounds], isMutant: true })).to.include({
        broken: property,
      });
    });
  }

  it('is seen not to end without a rule: NO_LOOK_AT_LOG → takeover', async () => {
    const defines = ['NO_LOOK_AT_LOG', 'REIGNS=1', 'CUTS=1', 'ASIDE=1'];
    expect(await checkModel({ defines, isMutant: true, isLiveness: true })).to.include({
      broken: 'takeover',
    });
  });

  it('is not taken for checked when the search was cut short', () => {
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

  it('names functions that exist and name the model, and is named by no others', () => {
    const citations = citationsOf(MODEL_FILES.map(readSource).join('\n'));
    expect(citations).to.have.length.above(20);
    expect(citations.flatMap((citation) => faultOf(citation) ?? [])).to.deep.equal([]);
    const cited = new Set(citations.map((citation) => citation.split(':')[0]));
    const naming = readSources().filter(
      ({ path, text }) => !path.startsWith('test/') && text.includes('test/model/hand-off.pml'),
    );
    expect(naming.map(({ path }) => path).filter((path) => !cited.has(path))).to.deep.equal([]);
  });

  it('sees a citation that rots', () => {
    const source = (text: string) => () => text;
    const good = '/** Modelled in test/model/hand-off.pml. */\nexport function claim(a: string): void {\n';
    expect(faultOf('db/claims.ts:claim', source(good))).to.equal(undefined);
    expect(faultOf('db/claims.ts:gone', source(good))).to.equal('db/claims.ts has no gone');
    expect(faultOf('db/claims.ts:claim', source(good.replace('hand-off', 'other')))).to.include(
      'does not name',
    );
    expect(faultOf('db/nowhere.ts:claim')).to.equal('db/nowhere.ts does not exist');
  });
});
