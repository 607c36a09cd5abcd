import { expect } from 'chai';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import type { AnnounceChange, AnnouncedChange } from '../../../mapper/cache/announce-change.ts';
import { changeEach, type ChangeEachOptions } from '../../../mapper/links/change-each.ts';
import type { OwnLinksServer } from '../../../mapper/links/own-links-server.ts';

interface Result {
  readonly key: string;
  readonly announced?: AnnouncedChange | undefined;
}

const HEARD: AnnouncedChange = { isHeardByAll: true, othersMayLagMs: 0 };
const KEYS = Array.from({ length: 250 }, (_, index) => `key-${index}`);

/** Even keys are on the first server, odd ones on the second. */
const SERVERS = [[0], [1]].map(
  (slots) => ({ db: { name: `urls-${slots.join()}`, slots } }) as unknown as OwnLinksServer,
);
const slotOf = (key: string): number => Number(key.split('-')[1]) % 2;

describe('changes of many links', () => {
  let groups: number[];
  let nowMs: number;

  beforeEach(() => {
    groups = [];
    nowMs = 0;
  });

  async function run(
    change: (key: string, announce: AnnounceChange) => Promise<Result>,
    keys: readonly string[] = KEYS,
  ) {
    const options: ChangeEachOptions<Result> = {
      servers: SERVERS,
      slotOf,
      announceAll: async (group) => {
        groups.push(group.length);
        return HEARD;
      },
      change,
      now: () => nowMs,
    };
    return changeEach(keys, options);
  }

  it('are announced in groups, and each result says who has heard', async () => {
    const results = await run(async (key, announce) => ({ key, announced: await announce(key) }));
    expect(results).to.deep.equal(KEYS.map((key) => ({ result: { key, announced: HEARD } })));
    expect(groups).to.deep.equal([100, 100, 50]);
  });

  it('announce only links that have changed', async () => {
    const results = await run(async (key) => ({ key }));
    expect(results).to.have.length(250);
    expect(groups).to.deep.equal([]);
  });

  it('change a link once that is named twice', async () => {
    let changes = 0;
    const results = await run(
      async (key) => ({ key: `${key}: ${(changes += 1)}` }),
      ['key-0', 'key-1', 'key-0'],
    );
    expect(changes).to.equal(2);
    expect(results[2]).to.deep.equal(results[0]);
  });

  it('go on at other servers when one does not answer, and ask that one few times', async () => {
    let asked = 0;
    const results = await run(async (key, announce) => {
      if (slotOf(key) === 0) return { key, announced: await announce(key) };
      asked += 1;
      throw new StoreUnavailableError('urls-1', 'it does not answer');
    });
    expect(asked).to.be.within(3, 5);
    results.forEach((result, index) =>
      expect('error' in result && result.error instanceof StoreUnavailableError).to.equal(index % 2 === 1),
    );
  });

  it('end in time when all are slow', async () => {
    const results = await run(async (key) => {
      nowMs += 1_000;
      return { key };
    });
    expect(results.filter((result) => 'result' in result)).to.have.length.within(20, 25);
    expect(results.filter((result) => 'error' in result)).to.have.length.above(200);
  });
});
