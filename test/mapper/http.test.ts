import { expect } from 'chai';
import { createWorld, type TestMapper, type World } from './world.ts';
import { send, shorten } from './client.ts';

describe('the public HTTP surface', () => {
  let world: World;
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    await world.fill(0, 500);
    await world.fill(1, 500);
    mapper = await world.start();
  });

  after(async function () {
    this.timeout(20_000);
    await world[Symbol.asyncDispose]();
  });

  it('shortens and redirects to exactly the WHATWG href', async () => {
    const answer = await shorten(mapper.url, { long_url: 'HTTPS://Example.com:443/a b?x=ä#ß' });
    expect(answer.status).to.equal(201);
    const body = answer.json();
    expect(body['long_url']).to.equal('https://example.com/a%20b?x=%C3%A4#%C3%9F');
    expect(body['short_url']).to.equal(`${mapper.url}/${String(body['unique_id'])}`);
    expect(answer.headers.location).to.equal(body['short_url']);
    const followed = await send('GET', String(body['short_url']));
    expect(followed.status).to.equal(302);
    expect(followed.headers.location).to.equal(body['long_url']);
  });
});
