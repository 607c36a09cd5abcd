import { expect } from 'chai';
import { OrphanTable } from '../../../mapper/orphans/orphan-table.ts';
import { mergeTops } from '../../../mapper/orphans/orphans.ts';

function ask(table: OrphanTable, key: string, times: number): void {
  for (let time = 0; time < times; time += 1) table.add(key, 'unknown');
}

describe('the table of orphans', () => {
  it('counts keys and states apart, and gives each request once', () => {
    const table = new OrphanTable(10);
    ask(table, 'a', 3);
    table.add('a', 'expired');
    expect(table.take(10)).to.deep.equal([
      { key: 'a', state: 'unknown', asked: 3 },
      { key: 'a', state: 'expired', asked: 1 },
    ]);
    expect(table.take(10)).to.deep.equal([]);
    ask(table, 'a', 2);
    expect(table.take(10)).to.deep.equal([{ key: 'a', state: 'unknown', asked: 2 }]);
  });

  it('gives those asked most on the day first, and the others the next time', () => {
    const table = new OrphanTable(10);
    ask(table, 'often', 5);
    table.take(10);
    ask(table, 'often', 1);
    ask(table, 'sometimes', 3);
    ask(table, 'once', 1);
    expect(table.take(2).map(({ key }) => key)).to.deep.equal(['often', 'sometimes']);
    expect(table.take(2).map(({ key }) => key)).to.deep.equal(['once']);
  });

  it('keeps what is asked often while a scan goes through made-up keys, within its bound', () => {
    const table = new OrphanTable(100);
    let stored = 0;
    for (let round = 0; round < 50; round += 1) {
      ask(table, 'poster', 2);
      for (let scanned = 0; scanned < 500; scanned += 1) table.add(`scan-${round}-${scanned}`, 'unknown');
      expect(table.size).to.be.at.most(100);
      for (const { key, asked } of table.take(20)) if (key === 'poster') stored += asked;
      expect(table.size).to.be.at.most(50);
    }
    expect(stored).to.equal(100);
  });

  it('says when there is no room', () => {
    const table = new OrphanTable(1);
    expect([table.add('a', 'unknown'), table.add('b', 'unknown'), table.add('a', 'unknown')]).to.deep.equal([
      true,
      false,
      true,
    ]);
  });
});

describe('what several servers say about orphans', () => {
  it('is merged by how often they were asked for, and counts of a key that has moved are added', () => {
    const of = (key: string, asked: number) => ({ key, state: 'unknown' as const, asked });
    expect(mergeTops([[of('a', 5), of('b', 2)], [of('c', 3), of('b', 2)], []], 2)).to.deep.equal([
      of('a', 5),
      of('b', 4),
    ]);
  });
});
