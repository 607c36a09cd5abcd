import { expect } from 'chai';
import { whyOutOfReach } from '../../runtime/admin-address.ts';

describe('the address of an admin port, seen from another process', () => {
  const cases: readonly [admin: string, host: string | null, from: string, why: string | undefined][] = [
    ['http://127.0.0.1:9101', 'a', 'a', undefined],
    ['http://0.0.0.0:9101', 'a', 'a', undefined],
    ['http://10.0.0.1:9101', 'a', 'b', undefined],
    ['http://mapper.example:9101', 'a', 'b', undefined],
    ['http://127.example:9101', 'a', 'b', undefined],
    ['http://127.0.0.1:9101', null, 'b', undefined],
    ['http://127.0.0.1:9101', 'a', 'b', 'only reached from its own host a'],
    ['http://127.1:9101', 'a', 'b', 'only reached from its own host a'],
    ['http://[::1]:9101', 'a', 'b', 'only reached from its own host a'],
    ['http://localhost:9101', 'a', 'b', 'only reached from its own host a'],
    ['http://0.0.0.0:9101', 'a', 'b', 'all addresses'],
    ['http://[::]:9101', 'a', 'b', 'all addresses'],
    ['nowhere', 'a', 'a', 'no URL'],
  ];
  for (const [admin, host, from, why] of cases) {
    it(`${admin} of host ${host ?? 'unknown'}, from ${from}: ${why ?? 'nothing speaks against it'}`, () => {
      const reason = whyOutOfReach({ admin, host }, from);
      if (why === undefined) expect(reason).to.equal(undefined);
      else expect(reason).to.include(why);
    });
  }
});
