import { expect } from 'chai';
import { rollBackOf } from '../../scripts/cluster/roll-back.ts';
import type { Kind, RecordedProcess } from '../../scripts/cluster/state.ts';

const entry = (kind: Kind, id: string): RecordedProcess => ({ id, kind, pid: 1, startTime: '1' });
const REDIS = entry('redis', 'redis-5');
const NEW_MAPPER = entry('mapper', 'mapper-3');
const MAPPER = entry('mapper', 'mapper-1');

describe('what a failed up takes back', () => {
  const table: [
    what: string,
    started: RecordedProcess[],
    ranBefore: string[],
    gone: string[],
    stops: string[],
    boolean,
  ][] = [
    [
      'all that it started on a cluster that was down',
      [REDIS, MAPPER],
      [],
      [],
      ['redis-5', 'mapper-1'],
      true,
    ],
    ['what it added to a running one', [REDIS, NEW_MAPPER], ['mapper-1'], [], ['redis-5', 'mapper-3'], true],
    ['no member that it restarted, and none of its servers', [REDIS, MAPPER], ['mapper-1'], [], [], false],
    [
      'all, where the restarted one has ended',
      [REDIS, MAPPER],
      ['mapper-1'],
      ['mapper-1'],
      ['redis-5'],
      true,
    ],
    [
      'an added member beside a restarted one',
      [REDIS, MAPPER, NEW_MAPPER],
      ['mapper-1', 'mapper-2'],
      [],
      ['mapper-3'],
      false,
    ],
    ['nothing when nothing was started', [], ['mapper-1'], [], [], true],
  ];
  for (const [what, started, ranBefore, gone, stops, restoresStores] of table)
    it(what, () => {
      const runs = [...ranBefore, ...started.map(({ id }) => id)].filter((id) => !gone.includes(id));
      const rollBack = rollBackOf(started, new Set(ranBefore), new Set(runs));
      expect(rollBack.stops.map(({ id }) => id)).to.deep.equal(stops);
      expect(rollBack.restoresStores).to.equal(restoresStores);
    });
});
