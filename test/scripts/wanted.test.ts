import { expect } from 'chai';
import { SMALL_SHAPE } from '../../scripts/cluster/shape.ts';
import type { Kind, RecordedProcess } from '../../scripts/cluster/state.ts';
import { surplusOf, wantedIds } from '../../scripts/cluster/wanted.ts';

const COUNTS = { producers: 0, mappers: 1, processesPerMapper: 1 };

const entry = (kind: Kind, id: string): RecordedProcess => ({ id, kind, pid: 1, startTime: '1' });

describe('what a record wants to run', () => {
  it('is its servers and members, by id', () => {
    expect([...wantedIds(SMALL_SHAPE, COUNTS)]).to.have.members(['redis-1', 'mysql-1', 'mapper-1']);
    const shape = { keysDbs: 4, redis: 2, zookeepers: 1, mysqlServers: 2 };
    expect([...wantedIds(shape, { ...COUNTS, producers: 1, mappers: 2 })]).to.have.members([
      'zookeeper-1',
      'redis-1',
      'redis-2',
      'mysql-keys',
      'urls-1',
      'producer-1',
      'mapper-1',
      'mapper-2',
    ]);
  });

  it('all others on record are surplus, also a server without those before it', () => {
    const wanted = [entry('redis', 'redis-1'), entry('mysql', 'mysql-1'), entry('mapper', 'mapper-1')];
    const kept = [entry('log-keeper', 'log-keeper'), entry('wire', 'wire')];
    const surplus = [
      entry('redis', 'redis-3'),
      entry('redis', 'redis-4'),
      entry('zookeeper', 'zookeeper-2'),
      entry('producer', 'producer-1'),
      entry('mapper', 'mapper-2'),
    ];
    expect(surplusOf([...wanted, ...surplus, ...kept], SMALL_SHAPE, COUNTS)).to.deep.equal(surplus);
  });
});
