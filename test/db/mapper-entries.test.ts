import { expect } from 'chai';
import { MapperEntries } from '../../db/redis/mapper-entries.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';

describe('entries of mappers in Redis', () => {
  it('are removed by the mapper that wrote them, and not by its predecessor', async () => {
    const [{ name, url } = { name: '', url: '' }] = await testRedis();
    await using entries = new MapperEntries({ name, url, log: createLog('test', 'entries', 'silent') });
    expect(await entries.whenConnected(5_000)).to.equal(true);
    await entries.keep('mapper-1', '{"admin":"first"}');
    await entries.keep('mapper-1', '{"admin":"second"}');
    await entries.remove('mapper-1', '{"admin":"first"}');
    expect([...(await entries.read())]).to.deep.equal([['mapper-1', '{"admin":"second"}']]);
    await entries.remove('mapper-1', '{"admin":"second"}');
    await entries.remove('mapper-1', '{"admin":"second"}');
    expect(await entries.read()).to.have.property('size', 0);
  });
});
