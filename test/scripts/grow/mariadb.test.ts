import { readSize, resize } from '../../../scripts/grow/mariadb.ts';
import { expect } from 'chai';
import { testMysql } from '../../servers.ts';

describe('a running MariaDB that is made larger and smaller', () => {
  it('takes a change while one of somebody else is still under way', async () => {
    const url = (await testMysql()).url('mysql');
    const before = await readSize(url);
    const larger = { ...before, redoLogBytes: 4 * before.redoLogBytes };
    try {
      for (let round = 0; round < 2; round += 1)
        await Promise.all([resize(url, larger), resize(url, before), resize(url, larger)]);
    } finally {
      await resize(url, before);
    }
    expect(await readSize(url)).to.deep.equal(before);
  }).timeout(60_000);
});
