import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { askBytes, type BytesAnswer } from './ask-bytes.ts';
import { ImageServer, MODIFIED, type PutImage } from './image-server.ts';

const SIZE = 1_000;
const LATER = 'Sat, 28 Nov 2026 10:20:31 GMT';
const EARLIER = 'Sat, 28 Nov 2026 10:20:29 GMT';

describe('requests for a picture', () => {
  let server: ImageServer;
  /** Has the same picture, and no memory for it. */
  let cold: ImageServer;
  let image: PutImage;
  let etag = '';

  before(async () => {
    server = await new ImageServer().start();
    cold = await new ImageServer(0).start();
    image = server.put({ bytes: randomBytes(SIZE) });
    cold.put({ bytes: image.bytes, key: image.key });
    etag = `"${image.facts.sha256.slice(0, 32)}"`;
    for (let i = 0; i < 2; i += 1) await askBytes(server.pathOf(image));
  });

  after(async () => {
    await server.stop();
    await cold.stop();
  });

  /** Twice: from the store, and from memory. */
  async function ask(headers: Record<string, string | string[]>, method = 'GET'): Promise<BytesAnswer> {
    const stored = await askBytes(cold.pathOf(image), headers, method);
    const warm = await askBytes(server.pathOf(image), headers, method);
    expect(warm.status).to.equal(stored.status);
    expect(warm.bytes.equals(stored.bytes)).to.equal(true);
    if (method === 'GET' && (warm.status === 200 || warm.status === 206)) {
      expect(cold.answered.at(-1)).to.deep.equal(['found', 'store']);
      expect(server.answered.at(-1)).to.deep.equal(['found', 'memory']);
    }
    return warm;
  }

  it('answers with the bytes and what they are', async () => {
    const { status, headers, bytes } = await ask({});
    expect(status).to.equal(200);
    expect(bytes.equals(image.bytes)).to.equal(true);
    expect(headers).to.include({
      'content-type': 'image/png',
      'content-length': String(SIZE),
      'content-disposition': 'inline',
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=300',
      'last-modified': MODIFIED,
      etag,
    });
    expect(headers).not.to.have.any.keys('vary', 'x-robots-tag', 'set-cookie', 'transfer-encoding');
  });

  it('answers HEAD with the same headers, without asking the store', async () => {
    const { headers: ofGet } = await ask({});
    const { gets } = cold.store;
    const { status, headers, bytes } = await ask({}, 'HEAD');
    expect([status, bytes.length, cold.store.gets]).to.deep.equal([200, 0, gets]);
    const same = (all: typeof headers): object => ({ ...all, date: '', 'x-request-id': '' });
    expect(same(headers)).to.deep.equal(same(ofGet));
  });

  describe('with a range', () => {
    const parts: [range: string, first: number, last: number][] = [
      ['bytes=0-0', 0, 0],
      ['bytes=0-', 0, 999],
      ['bytes=0-999', 0, 999],
      ['bytes=0-99999', 0, 999],
      ['bytes=999-', 999, 999],
      ['bytes=999-999', 999, 999],
      ['bytes=500-600', 500, 600],
      ['bytes=-1', 999, 999],
      ['bytes=-1000', 0, 999],
      ['bytes=-5000', 0, 999],
      ['bytes=0-99999999999999999999999', 0, 999],
      ['bytes=00000000000000000000500-501', 500, 501],
      ['BYTES=1-2', 1, 2],
      ['bytes= 1-2', 1, 2],
    ];
    for (const [range, first, last] of parts)
      it(`${range} is bytes ${first} to ${last}`, async () => {
        const { status, headers, bytes } = await ask({ range });
        expect(status).to.equal(206);
        expect(headers['content-range']).to.equal(`bytes ${first}-${last}/${SIZE}`);
        expect(headers['content-length']).to.equal(String(last - first + 1));
        expect(headers).to.include({
          etag,
          'content-type': 'image/png',
          'cache-control': 'public, max-age=300',
        });
        expect(bytes.equals(image.bytes.subarray(first, last + 1))).to.equal(true);
      });

    for (const range of ['bytes=1000-', 'bytes=1000-2000', 'bytes=-0', 'bytes=99999999999999999999999-'])
      it(`${range} is beyond the end: 416`, async () => {
        const { status, headers, bytes } = await ask({ range });
        expect(status).to.equal(416);
        expect(headers['content-range']).to.equal(`bytes */${SIZE}`);
        expect(headers['cache-control']).to.equal('no-store');
        expect(headers).not.to.have.any.keys('etag', 'last-modified', 'accept-ranges');
        expect(bytes.toString()).to.include('range-beyond');
      });

    // A server may ignore them (RFC 9110, 14.2).
    const ignored = [
      'bytes=0-0,5-6',
      'bytes=0-0, -1',
      'bytes=5-2',
      'bytes=-',
      'bytes=',
      'bytes=a-b',
      'bytes=1',
      'bytes=-1-2',
      'bytes=1.5-2',
      'bytes 0-1',
      'bytes=0x1-2',
      'pages=1-2',
      '',
    ];
    for (const range of ignored)
      it(`${JSON.stringify(range)} is ignored`, async () => {
        const { status, headers, bytes } = await ask({ range });
        expect(status).to.equal(200);
        expect(headers).not.to.have.property('content-range');
        expect(bytes.length).to.equal(SIZE);
      });

    it('sent twice is ignored, as several ranges are', async () => {
      const { status } = await ask({ range: ['bytes=0-1', 'bytes=5-6'] });
      expect(status).to.equal(200);
    });

    it('is ignored for HEAD, for which it is not defined', async () => {
      const { status, headers } = await ask({ range: 'bytes=0-1' }, 'HEAD');
      expect([status, headers['content-length']]).to.deep.equal([200, String(SIZE)]);
    });

    it('is a part only where If-Range names the same bytes', async () => {
      const statusFor = async (ifRange: string): Promise<number> =>
        (await ask({ range: 'bytes=0-1', 'if-range': ifRange })).status;
      expect(await statusFor(etag)).to.equal(206);
      expect(await statusFor(MODIFIED)).to.equal(206);
      for (const other of [`W/${etag}`, '"other"', LATER, EARLIER, 'yesterday', '*', `${etag}, ${etag}`])
        expect(await statusFor(other), other).to.equal(200);
      const beyond = await ask({ range: 'bytes=5000-', 'if-range': '"other"' });
      expect(beyond.status).to.equal(200);
    });
  });

  describe('with conditions', () => {
    const cases: [headers: Record<string, string>, status: number][] = [
      [{ 'if-none-match': '"other"' }, 200],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '' }, 200],
      [{ 'if-none-match': 'etag without quotes' }, 200],
      [{ 'if-modified-since': MODIFIED }, 304],
      [{ 'if-modified-since': LATER }, 304],
      [{ 'if-modified-since': EARLIER }, 200],
      [{ 'if-modified-since': 'Saturday, 28-Nov-26 10:20:30 GMT' }, 304],
      [{ 'if-modified-since': 'Sat Nov 28 10:20:30 2026' }, 304],
      [{ 'if-modified-since': 'Sat Nov 28 10:20:29 2026' }, 200],
      [{ 'if-modified-since': '2026-11-28T10:20:31Z' }, 200],
      [{ 'if-modified-since': 'soon' }, 200],
      // A date is not asked for where there is an entity tag.
      [{ 'if-none-match': '"other"', 'if-modified-since': LATER }, 200],
      [{ 'if-match': '*' }, 200],
      [{ 'if-match': '"other"' }, 412],
      [{ 'if-match': '' }, 412],
      [{ 'if-unmodified-since': MODIFIED }, 200],
      [{ 'if-unmodified-since': LATER }, 200],
      [{ 'if-unmodified-since': EARLIER }, 412],
      [{ 'if-unmodified-since': 'never' }, 200],
      [{ 'if-match': '*', 'if-unmodified-since': EARLIER }, 200],
      // The conditions come before the range, and 412 before 304 (13.2.2).
      [{ 'if-match': '"other"', 'if-none-match': '*' }, 412],
      [{ 'if-none-match': '*', range: 'bytes=0-1' }, 304],
      [{ 'if-none-match': '*', range: 'bytes=5000-' }, 304],
      [{ 'if-match': '"other"', range: 'bytes=5000-' }, 412],
      [{ 'if-match': '*', range: 'bytes=0-1' }, 206],
    ];
    for (const [headers, expected] of cases)
      it(`${JSON.stringify(headers)} is ${expected}`, async () => {
        for (const method of ['GET', 'HEAD']) {
          const { status } = await ask(headers, method);
          expect(status, method).to.equal(method === 'HEAD' && expected === 206 ? 200 : expected);
        }
      });

    it('compares entity tags weakly for If-None-Match, and strongly for If-Match', async () => {
      const statusFor = async (name: string, value: string): Promise<number> =>
        (await ask({ [name]: value })).status;
      for (const value of [etag, `W/${etag}`, `"a", ${etag}`, `"a",${etag},"b"`, `"a, b", W/${etag}`]) {
        expect(await statusFor('if-none-match', value), value).to.equal(304);
        expect(await statusFor('if-match', value), value).to.equal(value.includes('W/') ? 412 : 200);
      }
      // A part of a tag is another tag.
      for (const value of [etag.replace('"', '"x'), `"x${etag}`, etag.slice(0, -1)])
        expect(await statusFor('if-none-match', value), value).to.equal(200);
    });

    it('says in a 304 how long it may be kept, and sends no bytes', async () => {
      const { headers, bytes } = await ask({ 'if-none-match': etag });
      expect(bytes.length).to.equal(0);
      expect(headers).to.include({ etag, 'last-modified': MODIFIED, 'cache-control': 'public, max-age=300' });
      expect(headers).not.to.have.any.keys('content-type', 'content-length', 'content-range');
    });

    it('is as new as any date when nobody knows when it was posted', async () => {
      const undated = server.put({});
      const { postedAt, ...facts } = undated.facts;
      expect(postedAt).not.to.equal(undefined);
      server.links.set(undated.key, { longUrl: 'image:', expiresAtMs: undefined, rules: { image: facts } });
      for (const [name, value] of [
        ['if-modified-since', LATER],
        ['if-unmodified-since', EARLIER],
      ] as const) {
        const { status, headers } = await askBytes(server.pathOf(undated), { [name]: value });
        expect(status).to.equal(200);
        expect(headers).not.to.have.property('last-modified');
      }
    });
  });
});
