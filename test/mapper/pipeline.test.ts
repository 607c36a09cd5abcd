import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import {
  ALL_REQUESTS_PER_TURN,
  FEW_PER_TURN,
  MAX_UNANSWERED,
  REQUESTS_PER_TURN,
} from '../../mapper/http/limits.ts';
import { Pipeline, Turns } from '../../mapper/http/pipeline.ts';

describe('the pipeline of a connection', () => {
  let calls: number;
  let pipeline: Pipeline;

  beforeEach(() => {
    calls = 0;
    pipeline = new Pipeline(new Turns(), () => (calls += 1));
  });

  function begin(count: number): void {
    for (let i = 0; i < count; i += 1) pipeline.began();
  }

  function answer(count: number): void {
    for (let i = 0; i < count; i += 1) pipeline.answered();
  }

  it('is full when its share of a turn is used, and has room in the next turn', async () => {
    begin(REQUESTS_PER_TURN - 1);
    expect(pipeline.isFull).to.equal(false);
    begin(1);
    expect([pipeline.isFull, calls]).to.deep.equal([true, 0]);
    await turn();
    expect([pipeline.isFull, calls]).to.deep.equal([false, 1]);
  });

  it('counts a request that costs more as several', async () => {
    begin(1);
    pipeline.costs(REQUESTS_PER_TURN / 2);
    expect(pipeline.isFull).to.equal(false);
    begin(1);
    pipeline.costs(REQUESTS_PER_TURN / 2);
    expect([pipeline.isFull, calls]).to.deep.equal([true, 0]);
    await turn();
    expect([pipeline.isFull, calls]).to.deep.equal([false, 1]);
    begin(1);
    pipeline.costs(REQUESTS_PER_TURN);
    expect(pipeline.isFull).to.equal(true);
  });

  it('gets no second share in a turn, whenever the requests of earlier turns came', async () => {
    begin(FEW_PER_TURN - 1);
    await turn();
    begin(REQUESTS_PER_TURN - FEW_PER_TURN + 1);
    expect(pipeline.isFull).to.equal(true);
  });

  it('is full with too many unanswered requests, and has room when half of them are answered', async () => {
    for (let begun = 0; begun < MAX_UNANSWERED; begun += REQUESTS_PER_TURN) {
      expect(pipeline.isFull).to.equal(false);
      begin(REQUESTS_PER_TURN);
      await turn();
    }
    expect(pipeline.isFull).to.equal(true);
    const before = calls;
    answer(MAX_UNANSWERED / 2 - 1);
    await turn();
    expect(calls).to.equal(before);
    answer(1);
    await turn();
    expect(calls).to.equal(before + 1);
  });

  it('is never full for a client that waits for each answer', async () => {
    for (let i = 0; i < 10 * REQUESTS_PER_TURN; i += 1) {
      begin(1);
      answer(1);
      expect(pipeline.isFull).to.equal(false);
      await turn();
    }
  });

  it('has room for a few requests when others have used up the turn, and calls back in the next', async () => {
    const turns = new Turns();
    turns.began(ALL_REQUESTS_PER_TURN);
    pipeline = new Pipeline(turns, () => (calls += 1));
    begin(FEW_PER_TURN - 1);
    expect(pipeline.isFull).to.equal(false);
    begin(1);
    expect([pipeline.isFull, calls]).to.deep.equal([true, 0]);
    await turn();
    expect([pipeline.isFull, calls, turns.areCrowded]).to.deep.equal([false, 1, false]);
  });

  it('calls back when all is answered, immediately if nothing is due', async () => {
    const ended: string[] = [];
    pipeline.endWith(() => ended.push('idle'));
    expect([pipeline.isEnding, ended]).to.deep.equal([true, ['idle']]);
    pipeline = new Pipeline(new Turns(), () => undefined);
    begin(2);
    pipeline.endWith(() => ended.push('busy'));
    answer(1);
    await turn();
    expect(ended).to.deep.equal(['idle']);
    answer(1);
    await turn();
    expect(ended).to.deep.equal(['idle', 'busy']);
  });
});

describe('connections that pipeline without end', () => {
  let clients: { areOpen: boolean };

  beforeEach(() => {
    clients = { areOpen: true };
  });

  afterEach(() => {
    clients.areOpen = false;
  });

  /** A client whose next request has always come, and is answered at once. */
  function openEndless(turns: Turns, count: () => void): () => void {
    const goOn = (): void => {
      while (clients.areOpen && !pipeline.isFull) {
        pipeline.began();
        count();
        pipeline.answered();
      }
    };
    const pipeline = new Pipeline(turns, goOn);
    return goOn;
  }

  for (const connections of [1, 10, 400])
    it(`begin a bounded number of requests in a turn, and each has its share: ${connections}`, async () => {
      const turns = new Turns();
      const begun = Array.from({ length: connections }, () => 0);
      const all = (): number => begun.reduce((sum, count) => sum + count, 0);
      const starts = begun.map((_, index) =>
        openEndless(turns, () => {
          begun[index] = (begun[index] ?? 0) + 1;
        }),
      );
      for (const start of starts) start();
      const first = [...begun];
      let most = 0;
      for (let turned = 0; turned < 200; turned += 1) {
        const before = all();
        await turn();
        most = Math.max(most, all() - before);
      }
      expect(most).to.be.within(REQUESTS_PER_TURN, ALL_REQUESTS_PER_TURN + REQUESTS_PER_TURN);
      const later = begun.map((count, index) => count - (first[index] ?? 0));
      expect(Math.min(...later)).to.be.greaterThan(0);
      expect(Math.max(...later)).to.be.at.most(2 * Math.min(...later) + REQUESTS_PER_TURN);
    });
});
