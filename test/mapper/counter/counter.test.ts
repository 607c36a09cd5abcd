import { expect } from 'chai';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { hasLooseEnd } from '../../../db/keyspace/loose-ends.ts';
import { AS_OPERATOR } from '../../admin-token.ts';
import { send, shorten } from '../client.ts';
import { createWorld, type World } from '../world.ts';

const COUNTER = { stores: { keySource: 'counter' } } as const;

describe('keys by counter', () => {
  let world: World;
  const keyspace = createKeyspace({ length: 8, secret: 'a secret for tests', regionBits: 10 });

  before(async () => {
    world = await createWorld({ shards: 1, databases: 1, hasUsers: true });
  });

  after(async () => world[Symbol.asyncDispose]());

  it('are of the last region, differ between mappers, and lead to their targets', async () => {
    const mappers = [await world.start(COUNTER), await world.start(COUNTER)];
    const links = new Map<string, string>();
    for (let i = 0; i < 40; i += 1) {
      const { url } = mappers[i % 2] ?? { url: '' };
      const long_url = `https://example.com/${i}`;
      const answer = await shorten(url, { long_url });
      expect(answer.status, answer.text).to.equal(201);
      const key = String(answer.json()['unique_id']);
      expect(links.has(key)).to.equal(false);
      expect(hasLooseEnd(key)).to.equal(false);
      expect(keyspace.locate(key)?.region).to.equal(1_023);
      links.set(key, long_url);
    }
    for (const [key, target] of links) {
      const answer = await send('GET', `${mappers[0]?.url}/${key}`);
      expect(answer.headers.location).to.equal(target);
    }
    const reserve = await send('GET', `${mappers[0]?.adminUrl}/reserve`, { headers: AS_OPERATOR });
    const [range] = reserve.json()['ranges'] as { region: number; first: number; last: number }[];
    expect(range).to.include({ region: 1_023, last: 1_000 });
    expect(range?.first).to.be.within(20, 100);
    const ready = (await send('GET', `${mappers[0]?.adminUrl}/readyz`)).json();
    expect(ready).to.include({ ok: true }).and.to.have.deep.property('degraded', []);
    expect(ready['keys']).to.be.within(900, 1_000);
  });
});
