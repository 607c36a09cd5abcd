import { expect } from 'chai';
import { readJson } from '../../runtime/json.ts';

describe('the JSON of an answer', () => {
  it('is read up to a length, and undefined when it is not JSON', async () => {
    expect(await readJson(new Response('{"keys":["a"]}'), 100)).to.deep.equal({ keys: ['a'] });
    expect(await readJson(new Response('no JSON'), 100)).to.equal(undefined);
    expect(await readJson(new Response(null), 100)).to.equal(undefined);
  });

  it('is not read to its end when it never ends', async () => {
    let chunks = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        chunks += 1;
        controller.enqueue(new Uint8Array(1_000));
      },
    });
    const error = await readJson(new Response(endless), 10_000).catch((reason: unknown) => reason);
    expect(String(error)).to.include('longer than 10000 bytes');
    expect(chunks).to.be.below(20);
  });
});
