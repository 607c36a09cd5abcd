import { expect } from 'chai';
import { sendRaw } from '../client.ts';
import { storeLink } from '../visits/ruled-links.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';

describe('a query that is forwarded, with a byte that no Location may have', () => {
  let world: World;
  let mappers: readonly TestMapper[];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 10 });
    mappers = [await world.start(), await world.start({ hasFastPaths: false })];
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  it('makes a request that is refused, and uses up no visit', async () => {
    const key = await storeLink(world, { rules: { forwardQuery: true, maxVisits: 1 } });
    const ask = async (url: string, query: string): Promise<string> => {
      const request = `GET /${key}?${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      return (await sendRaw(url, Buffer.from(request, 'latin1'), '\r\n\r\n')).slice(9, 12);
    };
    for (const { url } of mappers)
      for (const byte of ['\0', '\t', '\f', '\u{1f}', '\u{7f}', '\u{80}', '\u{ff}'])
        expect(await ask(url, `a=${byte}`), JSON.stringify(byte)).to.equal('400');
    expect(await ask(mappers[0]?.url ?? '', 'a=%0C')).to.equal('302');
  });
});
