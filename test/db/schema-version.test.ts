import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { judgeSchema } from '../../db/mysql/schema-version.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { testFolder } from '../servers.ts';

const KNOWN = ['001-keys', '002-more', '003-compatibility'];

describe('the version of a schema', () => {
  for (const [recorded, compatibleFrom, verdict] of [
    [KNOWN, undefined, 'same'],
    [KNOWN, 9, 'same'],
    [[], undefined, 'older'],
    [KNOWN.slice(0, 2), 1, 'older'],
    [[...KNOWN, '004-added'], 3, 'compatible'],
    [[...KNOWN, '004-added', '005-added'], 2, 'compatible'],
    [[...KNOWN, '004-removed'], 4, 'too new'],
    [[...KNOWN, '004-added'], undefined, 'too new'],
    // Another line of development: this program's last migration was never applied.
    [['001-keys', '002-more', '004-added'], 1, 'too new'],
  ] as const) {
    const says = compatibleFrom === undefined ? 'says nothing' : `allows programs from ${compatibleFrom}`;
    it(`is ${verdict}: ${recorded.join(', ') || 'empty'}, and it ${says}`, () => {
      expect(judgeSchema(recorded, KNOWN, compatibleFrom)).to.have.property('verdict', verdict);
    });
  }

  it('is compared with the migrations that the program had at its start, whatever replaces its files', async () => {
    const root = join(testFolder(), 'program');
    for (const part of ['db/mysql', 'db/migrations', 'db/store-errors.ts', 'runtime'])
      await cp(join(REPOSITORY, part), join(root, part), { recursive: true });
    const program = (await import(join(root, 'db/mysql/schema-version.ts'))) as {
      readonly migrationNames: (kind: 'users') => Promise<readonly string[]> | readonly string[];
    };
    await writeFile(join(root, 'db/migrations/users/998-of-the-next-release.ts'), '');
    const atFirst = await program.migrationNames('users');
    await writeFile(join(root, 'db/migrations/users/999-of-the-next-release.ts'), '');
    expect(await program.migrationNames('users')).to.deep.equal(atFirst);
    expect(atFirst).not.to.include('998-of-the-next-release');
  });
});
