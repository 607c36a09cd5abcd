import { expect } from 'chai';
import { planGrowth, type Sight } from '../../../scripts/grow/plan.ts';
import { STEPS, type StepName } from '../../../scripts/grow/steps.ts';

const ready = (...ids: string[]): { id: string; isReady: boolean }[] =>
  ids.map((id) => ({ id, isReady: true }));
const mapper = (id: string): Sight['mappers'][number] => ({ id, isReady: true, isOutdated: false });
const FULL_POOLS = ['redis-1', 'redis-2'].map((name) => ({ name, level: 9_000, low: 4_000 }));

/** A healthy cluster after its first `count` steps. */
function after(count: number, change: Partial<Sight> = {}): Sight {
  return {
    recorded: new Set(STEPS.slice(0, count)),
    unfinished: undefined,
    isMariadbLarge: count >= 2,
    mappers: count >= 1 ? [mapper('mapper-1'), mapper('mapper-2')] : [mapper('mapper-1')],
    zookeepers: count >= 3 ? ready('zookeeper-1', 'zookeeper-2', 'zookeeper-3') : [],
    redis: count >= 4 ? ready('redis-1', 'redis-2') : ready('redis-1'),
    producers: count >= 5 ? ready('producer-1', 'producer-2') : [],
    pools: count >= 5 ? FULL_POOLS : [],
    ...change,
  };
}

/** `done` steps as `+`, begun ones as `~`, open ones as `.` */
function drawn(sight: Sight): string {
  const marks = { done: '+', begun: '~', open: '.' };
  return planGrowth(sight)
    .steps.map(({ state }) => marks[state])
    .join('');
}

describe('planGrowth', () => {
  it('names the first step that is not done, and undoes the last that is', () => {
    for (let count = 0; count <= STEPS.length; count++) {
      const { next, undo } = planGrowth(after(count));
      expect({ next, undo }, `${count} steps`).to.deep.equal({ next: STEPS[count], undo: STEPS[count - 1] });
      expect(drawn(after(count))).to.equal('+'.repeat(count).padEnd(STEPS.length, '.'));
    }
  });

  const table: [what: string, sight: Sight, drawing: string, next: StepName, why: string][] = [
    [
      'a second mapper that is not ready',
      after(1, { mappers: [mapper('mapper-1'), { ...mapper('mapper-2'), isReady: false }] }),
      '~.....',
      'mapper',
      'mapper-2 is not ready',
    ],
    [
      'MariaDB restarted in its old size',
      after(3, { isMariadbLarge: false }),
      '+~+...',
      'memory',
      'MariaDB is still small',
    ],
    ['MariaDB away', after(2, { isMariadbLarge: undefined }), '+~....', 'memory', 'MariaDB does not answer'],
    [
      'a kill after the first ZooKeeper server',
      after(3, {
        unfinished: { step: 'zookeeper', way: 'grow' },
        zookeepers: [...ready('zookeeper-1'), { id: 'zookeeper-2', isReady: false }],
      }),
      '++~...',
      'zookeeper',
      'zookeeper-2 does not run',
    ],
    [
      'a kill between two restarts of mappers',
      after(4, { mappers: [mapper('mapper-1'), { ...mapper('mapper-2'), isOutdated: true }] }),
      '+++~..',
      'stores',
      'mapper-2 must be restarted',
    ],
    [
      'a kill when all was there, and before the end was recorded',
      after(4, { unfinished: { step: 'stores', way: 'grow' } }),
      '+++~..',
      'stores',
      'it was interrupted',
    ],
    [
      'a kill while a mapper was restarted',
      after(4, {
        unfinished: { step: 'stores', way: 'grow' },
        mappers: [mapper('mapper-1'), { id: 'mapper-2', isReady: false, isOutdated: false }],
      }),
      '~++~..',
      'stores',
      'it was interrupted',
    ],
    [
      'a pool at its low watermark',
      after(5, { pools: [...FULL_POOLS.slice(1), { name: 'redis-1', level: 4_000, low: 4_000 }] }),
      '++++~.',
      'producers',
      'redis-1 has 4000 keys, and needs more than 4000',
    ],
    [
      'pools that no producer knows yet',
      after(5, {
        pools: [
          { name: 'redis-1', level: 9, low: undefined },
          { name: 'redis-2', level: undefined, low: 5 },
        ],
      }),
      '++++~.',
      'producers',
      'no producer fills redis-1, no producer fills redis-2',
    ],
    [
      'mappers that wait for their switch',
      after(6, { mappers: [mapper('mapper-1'), { ...mapper('mapper-2'), isOutdated: true }] }),
      '+++++~',
      'pools',
      'mapper-2 must be restarted',
    ],
    [
      'an undoing that was interrupted',
      after(4, { unfinished: { step: 'producers', way: 'undo' } }),
      '++++~.',
      'producers',
      'it is half undone',
    ],
  ];
  for (const [what, sight, drawing, next, why] of table) {
    it(`${what}: ${why}`, () => {
      expect(drawn(sight)).to.equal(drawing);
      const plan = planGrowth(sight);
      expect(plan.next).to.equal(next);
      expect(plan.steps.find(({ name }) => name === next)?.why).to.equal(why);
    });
  }

  it('no mapper goes to the pools before all of them are above their low watermarks', () => {
    const low = after(5, { pools: [{ name: 'redis-1', level: 10, low: 4_000 }, ...FULL_POOLS] });
    expect(planGrowth(low).steps.at(-1)).to.deep.equal({
      name: 'pools',
      state: 'open',
      why: 'after producers',
    });
  });

  it('low pools do not undo the switch: mappers take from them already', () => {
    expect(drawn(after(6, { pools: [{ name: 'redis-1', level: 0, low: 4_000 }] }))).to.equal('++++++');
  });

  it('between the steps that restart mappers, these may lag behind the record', () => {
    const lagging = [mapper('mapper-1'), { ...mapper('mapper-2'), isOutdated: true }];
    for (const count of [1, 2, 3, 5]) expect(drawn(after(count, { mappers: lagging }))).to.not.include('~');
  });

  it('finishes an interrupted undoing before it undoes the step before', () => {
    expect(planGrowth(after(4, { unfinished: { step: 'producers', way: 'undo' } })).undo).to.equal(
      'producers',
    );
    expect(planGrowth(after(4, { unfinished: { step: 'stores', way: 'grow' } })).undo).to.equal('stores');
  });

  it('repeats a step that was done when a part of it is gone, and leaves the later ones as they are', () => {
    const sight = after(6, {
      zookeepers: [...ready('zookeeper-1', 'zookeeper-3'), { id: 'zookeeper-2', isReady: false }],
    });
    expect(drawn(sight)).to.equal('++~+++');
    expect(planGrowth(sight)).to.include({ next: 'zookeeper', undo: 'pools' });
  });
});
