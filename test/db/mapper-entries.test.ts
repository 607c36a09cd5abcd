import { expect } from 'chai';
import { ENTRY_TTL_MS, MapperEntries } from '../../db/redis/mapper-entries.ts';
import { openRedis } from '../../db/redis/redis-client.ts';
import { mapperKey, MAPPERS_KEY } from '../../db/redis/redis-keys.ts';
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
    expect(await entries.list()).to.deep.equal(await entries.read());
    await entries.remove('mapper-1', '{"admin":"second"}');
    await entries.remove('mapper-1', '{"admin":"second"}');
    expect(await entries.read()).to.have.property('size', 0);
    expect(await entries.list()).to.have.property('size', 0);
  });

  it('are listed while they last, and no longer', async () => {
    const [{ name, url } = { name: '', url: '' }] = await testRedis();
    await using entries = new MapperEntries({ name, url, log: createLog('test', 'entries', 'silent') });
    await using redis = openRedis(url, { name, log: createLog('test', 'entries', 'silent') });
    expect(await entries.whenConnected(5_000)).to.equal(true);
    expect(await redis.whenConnected(5_000)).to.equal(true);
    for (const id of ['mapper-1', 'mapper-2']) await entries.keep(id, `{"id":"${id}"}`);
    expect([...(await entries.list()).keys()]).to.deep.equal(['mapper-1', 'mapper-2']);
    // As Redis does after ten seconds.
    await redis.command('DEL', [mapperKey('mapper-1')]);
    await redis.command('ZADD', [MAPPERS_KEY, 1, 'mapper-1']);
    expect([...(await entries.list()).keys()]).to.deep.equal(['mapper-2']);
    await entries.keep('mapper-2', '{"id":"mapper-2"}');
    expect(await redis.command('ZRANGE', [MAPPERS_KEY, 0, -1])).to.deep.equal(['mapper-2']);
    expect(Number(await redis.command('PTTL', [MAPPERS_KEY]))).to.be.within(1, ENTRY_TTL_MS);
    await entries.remove('mapper-2', '{"id":"mapper-2"}');
  });
});
