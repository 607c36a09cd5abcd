import { expect } from 'chai';
import { translate, type DriverError, type StatementKind } from '../../db/mysql/mysql-errors.ts';

function named(errno: number): DriverError {
  return Object.assign(new Error('refused'), { errno, code: `E${errno}` });
}

describe('an error of MySQL', () => {
  const cases: readonly (readonly [what: string, errno: number, kind: StatementKind, code: string])[] = [
    ['too many connections', 1040, 'write', 'STORE_UNAVAILABLE'],
    ['a table that is read-only, as with innodb_read_only on MariaDB', 1036, 'write', 'STORE_UNAVAILABLE'],
    ['a server that is read-only', 1290, 'write', 'STORE_UNAVAILABLE'],
    ['a transaction that is read-only', 1792, 'write', 'STORE_UNAVAILABLE'],
    ['a server in read-only mode, as with innodb_read_only on MySQL', 1836, 'write', 'STORE_UNAVAILABLE'],
    ['a server that is offline', 3032, 'write', 'STORE_UNAVAILABLE'],
    ['a lock that was not granted', 1205, 'write', 'STORE_UNAVAILABLE'],
    ['a commit that failed', 1180, 'write', 'OUTCOME_UNKNOWN'],
    ['a lost connection', 0, 'write', 'OUTCOME_UNKNOWN'],
    ['a lost connection', 0, 'read', 'STORE_UNAVAILABLE'],
    ['a missing right', 1142, 'write', 'STORE_REFUSED'],
    ['a missing table', 1146, 'read', 'MISMATCH'],
    ['a duplicate', 1062, 'write', 'DUPLICATE_ROW'],
  ];
  for (const [what, errno, kind, code] of cases)
    it(`${errno}, ${what}, makes a ${kind} ${code}`, () => {
      expect(translate('urls-1', kind, named(errno))).to.have.property('code', code);
    });
});
