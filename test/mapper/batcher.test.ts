import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { Batcher, type BatcherOptions } from '../../mapper/urls/batcher.ts';

describe('a batcher', () => {
  let left: string[];
  let returns: (() => void)[];

  beforeEach(() => {
    left = [];
    returns = [];
  });

  function create(options: Partial<BatcherOptions<string>> = {}): Batcher<string> {
    return new Batcher<string>({
      maxBatch: 4,
      maxInFlight: 1,
      maxQueued: 10,
      run: (items, returned) => {
        left.push(items.join(''));
        returns.push(returned);
      },
      ...options,
    });
  }

  function add(batcher: Batcher<string>, items: string): boolean[] {
    return Array.from(items, (item) => batcher.tryAdd(item));
  }

  async function turns(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await turn();
  }

  it('lets items of two turns of the event loop leave together', async () => {
    const batcher = create();
    add(batcher, 'a');
    await turn();
    add(batcher, 'b');
    expect(left).to.deep.equal([]);
    await turns(2);
    expect(left).to.deep.equal(['ab']);
  });

  it('gathers items while it may send no batch, and for two turns more: answered clients send their next requests', async () => {
    const batcher = create();
    add(batcher, 'a');
    await turns(3);
    add(batcher, 'bc');
    await turns(5);
    expect(left).to.deep.equal(['a']);
    returns[0]?.();
    await turn();
    add(batcher, 'd');
    await turns(2);
    expect(left).to.deep.equal(['a', 'bcd']);
  });

  it('sends no more at a time than a batch may weigh, but a heavy item alone', async () => {
    const batcher = create({ weigh: (item) => Number(item), maxWeight: 5 });
    add(batcher, '2319');
    for (let batch = 0; batch < 4; batch += 1) {
      await turns(3);
      returns[batch]?.();
    }
    expect(left).to.deep.equal(['23', '1', '9']);
  });

  it('reports whether a further item would leave with a batch, and whether it is idle', async () => {
    const batcher = create();
    const state = () => ({ isGathering: batcher.isGathering, isIdle: batcher.isIdle });
    expect(state()).to.deep.equal({ isGathering: false, isIdle: true });
    add(batcher, 'a');
    expect(state()).to.deep.equal({ isGathering: true, isIdle: false });
    await turns(3);
    add(batcher, 'bcd');
    expect(state()).to.deep.equal({ isGathering: false, isIdle: false });
    returns[0]?.();
    expect(state()).to.deep.equal({ isGathering: true, isIdle: false });
    add(batcher, 'e');
    expect(state()).to.deep.equal({ isGathering: false, isIdle: false });
  });

  it('that is eager lets an item leave immediately when nothing is under way, and gathers the others', async () => {
    const batcher = create({ isEager: true, maxInFlight: 2 });
    add(batcher, 'abc');
    expect(left).to.deep.equal(['a']);
    await turns(3);
    expect(left).to.deep.equal(['a', 'bc']);
  });

  it('that is eager gathers the first items too after a batch of several, until one comes alone', async () => {
    const batcher = create({ isEager: true, maxInFlight: 2 });
    add(batcher, 'abc');
    await turns(3);
    for (const returned of returns.splice(0)) returned();
    add(batcher, 'd');
    expect(left).to.deep.equal(['a', 'bc']);
    await turn();
    add(batcher, 'e');
    await turns(2);
    expect(left).to.deep.equal(['a', 'bc', 'de']);
    for (const returned of returns.splice(0)) returned();
    add(batcher, 'f');
    await turns(3);
    expect(left).to.deep.equal(['a', 'bc', 'de', 'f']);
    for (const returned of returns.splice(0)) returned();
    add(batcher, 'g');
    expect(left).to.deep.equal(['a', 'bc', 'de', 'f', 'g']);
  });

  it('sends as many items as fit together, and the others next', async () => {
    const batcher = create({ fit: (count) => (count > 2 ? count - (count % 2) : count) });
    add(batcher, 'abcde');
    await turns(3);
    expect(left).to.deep.equal(['abcd']);
    for (const returned of returns.splice(0)) returned();
    await turns(3);
    expect(left).to.deep.equal(['abcd', 'e']);
  });

  it('takes no more items than it may hold, and sends no more than one batch may have', async () => {
    const batcher = create({ maxQueued: 6 });
    expect(add(batcher, 'abcdefg')).to.deep.equal([true, true, true, true, true, true, false]);
    await turns(3);
    expect(left).to.deep.equal(['abcd']);
    returns[0]?.();
    await turns(3);
    expect(left).to.deep.equal(['abcd', 'ef']);
  });

  it('returns the items that have not left, and is idle when the last batch has returned', async () => {
    const batcher = create();
    add(batcher, 'a');
    await turns(3);
    add(batcher, 'bc');
    let isIdle = false;
    const idle = batcher.idle().then(() => (isIdle = true));
    expect(batcher.removeQueued()).to.deep.equal(['b', 'c']);
    await turn();
    expect(isIdle).to.equal(false);
    returns[0]?.();
    await idle;
    expect(left).to.deep.equal(['a']);
  });

  it('is idle also when the items that were about to leave are removed', async () => {
    const batcher = create();
    add(batcher, 'a');
    await turns(3);
    add(batcher, 'b');
    const idle = batcher.idle();
    returns[0]?.();
    expect(batcher.removeQueued()).to.deep.equal(['b']);
    await idle;
    await turns(3);
    expect(left).to.deep.equal(['a']);
  });
});
