import { expect } from 'chai';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { UsersStore } from '../../mapper/auth/users-store.ts';
import type { Problem } from '../../mapper/http/problem.ts';
import { createLog } from '../../runtime/log.ts';

describe('the users database of a mapper', () => {
  it('stays in use for accounts when imports fail with it', async () => {
    const db = { imports: {}, verify: async () => undefined } as unknown as UsersDb;
    const store = new UsersStore({ db, now: () => 0, log: createLog('test', 'users', 'silent') });
    await store.poll();
    const fail = async (): Promise<never> => {
      throw new StoreUnavailableError('users', 'it is slow');
    };
    for (let i = 0; i < 50; i += 1) {
      const problem = (await store.askImports(fail).catch((error: unknown) => error)) as Problem;
      expect(problem).to.include({ status: 503, code: 'no-accounts' });
    }
    expect(store.isUp).to.equal(true);
    for (let i = 0; i < 50; i += 1) await store.ask(fail).catch(() => undefined);
    expect(store.isUp).to.equal(false);
  });
});
