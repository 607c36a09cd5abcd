import { expect } from 'chai';
import type { UsersDb } from '../../../db/accounts/users-db.ts';
import type { Identity } from '../../../mapper/auth/identities.ts';
import { LastUses } from '../../../mapper/auth/last-uses.ts';
import type { UsersStore } from '../../../mapper/auth/users-store.ts';
import { createLog } from '../../../runtime/log.ts';

const MINUTE_MS = 60_000;

/** A store that remembers what it was asked to record, and may be away. */
class Bed {
  isAway = false;
  readonly recorded: (readonly [ids: readonly string[], minute: number])[] = [];
  readonly uses = new LastUses(
    {
      ask: async <T>(work: (db: UsersDb) => Promise<T>) => {
        if (this.isAway) throw new Error('away');
        return work(this.#db);
      },
    } as UsersStore,
    createLog('mapper', 'test', 'silent'),
  );
  readonly #db = {
    keys: {
      markUsed: async (ids: readonly string[], at: Date) =>
        void this.recorded.push([ids, at.getTime() / MINUTE_MS]),
    },
  } as unknown as UsersDb;
}

function keyOf(id: string): Identity {
  return { userId: 1n, scopes: [], proof: { kind: 'key', id }, endsAtMs: Infinity, usedAtMs: 0 };
}

describe('uses of keys', () => {
  it('are recorded once a minute, all those of one minute together', async () => {
    const { uses, recorded } = new Bed();
    for (const atMs of [0, 1, 30_000]) for (const id of ['a', 'b']) uses.used(keyOf(id), MINUTE_MS + atMs);
    uses.used(keyOf('c'), 2 * MINUTE_MS);
    await uses.flush();
    await uses.flush();
    expect(recorded).to.deep.equal([
      [['a', 'b'], 1],
      [['c'], 2],
    ]);
  });

  it('that cannot be recorded are, with the next use', async () => {
    const bed = new Bed();
    bed.isAway = true;
    bed.uses.used(keyOf('a'), MINUTE_MS);
    await bed.uses.flush();
    bed.isAway = false;
    bed.uses.used(keyOf('a'), MINUTE_MS + 1);
    await bed.uses.flush();
    expect(bed.recorded).to.deep.equal([[['a'], 1]]);
  });
});
