import { expect } from 'chai';
import { askBytes } from './ask-bytes.ts';
import { ImageServer, type PutImage } from './image-server.ts';

describe('the links of pictures', () => {
  let server: ImageServer;
  let image: PutImage;

  before(async () => {
    server = await new ImageServer().start();
    image = server.put();
  });

  after(async () => server.stop());

  describe('under a name', () => {
    it('has the extension of its type, or none', async () => {
      const jpeg = server.put({ type: 'jpeg' });
      const statusOf = async (end: string): Promise<number> =>
        (await askBytes(`${server.pathOf(jpeg)}${end}`)).status;
      for (const end of ['', '.jpg', '.jpeg']) expect(await statusOf(end), end).to.equal(200);
      for (const end of [
        '.png',
        '.JPG',
        '.',
        '.jpg.',
        '.jpg.jpg',
        '.html',
        '/',
        '/x',
        '+',
        '%00',
        '.jpg%20',
        ',',
      ])
        expect(await statusOf(end), end).to.equal(404);
    });

    it('is 404 for a plain link, for none, and for what can be no key; each counts as a miss', async () => {
      server.links.set('plain-one', { longUrl: 'https://example.com/', expiresAtMs: undefined });
      const before = server.missed;
      for (const path of ['plain-one', 'nothing1', 'x', 'a'.repeat(100), 'a%2fb', '*'])
        expect((await askBytes(`${server.url}/images/${path}`)).status, path).to.equal(404);
      expect(server.missed).to.equal(before + 6);
    });

    it('refuses other sizes, other parameters, and a size twice', async () => {
      const refusals = [
        'size=100',
        'size=',
        'size=0160',
        'size=160&size=160',
        'w=1',
        'size=160&x',
        'size=%31%36%31',
      ];
      for (const query of refusals) {
        const { status, bytes } = await askBytes(`${server.pathOf(image)}?${query}`);
        expect(status, query).to.equal(422);
        expect(JSON.parse(bytes.toString())['errors'], query).to.have.length(1);
      }
    });

    it('can only be read', async () => {
      for (const method of ['POST', 'PUT', 'PATCH', 'OPTIONS']) {
        const { status, headers } = await askBytes(server.pathOf(image), {}, method);
        expect(status, method).to.equal(405);
        expect(headers['allow']).to.equal('GET, HEAD, DELETE');
      }
    });
  });

  describe('of a link that is not there for everybody', () => {
    const over = [
      ['expired', { expiresAtMs: 1_000 }, 410],
      ['disabled', { rules: { disabled: true } }, 410],
      ['blocked', { rules: { blocked: 'why' } }, 410],
      ['not valid yet', { rules: { validFrom: '2999-01-01T00:00:00.000Z' } }, 404],
    ] as const;
    for (const [what, fields, expected] of over)
      it(`is ${expected} when it is ${what}, for programs and for browsers`, async () => {
        const gone = server.put(fields);
        const problem = await askBytes(server.pathOf(gone), { 'if-none-match': '*' });
        expect(problem.status).to.equal(expected);
        expect(problem.headers).to.include({
          'content-type': 'application/problem+json',
          'cache-control': 'no-store',
          vary: 'Accept',
        });
        const page = await askBytes(server.pathOf(gone), { accept: 'text/html,image/webp' });
        expect(page.status).to.equal(expected);
        expect(page.headers).to.include({
          'content-type': 'text/html; charset=utf-8',
          'cache-control': 'no-store',
          vary: 'Accept',
        });
        expect(problem.headers).not.to.have.any.keys('etag', 'last-modified', 'accept-ranges');
      });

    it('is 410 at once when it is deleted, also if its picture is in memory', async () => {
      const gone = server.put();
      for (let i = 0; i < 3; i += 1) await askBytes(server.pathOf(gone));
      expect(server.answered.at(-1)).to.deep.equal(['found', 'memory']);
      server.links.set(gone.key, { longUrl: undefined, expiresAtMs: undefined });
      for (const headers of [{}, { 'if-none-match': '*' }, { range: 'bytes=0-1' }])
        expect((await askBytes(server.pathOf(gone), headers)).status).to.equal(410);
    });

    it('is 503 when it has a password or visits, for which nobody asks here', async () => {
      for (const rules of [{ passwordHash: 'x' }, { maxVisits: 1 }])
        expect((await askBytes(server.pathOf(server.put({ rules })))).status).to.equal(503);
    });

    it('may be kept no longer than it is valid', async () => {
      const brief = server.put({ expiresAtMs: Date.now() + 10_000 });
      const { headers } = await askBytes(server.pathOf(brief));
      expect(headers['cache-control']).to.match(/^public, max-age=(9|10)$/);
    });

    it('says noindex where its owner has said it, with another entity tag', async () => {
      const image = server.put({ rules: { noindex: true } });
      const { headers } = await askBytes(server.pathOf(image));
      expect(headers['x-robots-tag']).to.equal('noindex');
      const before = `"${image.facts.sha256.slice(0, 32)}"`;
      const again = await askBytes(server.pathOf(image), { 'if-none-match': before });
      expect([again.status, again.headers['x-robots-tag']]).to.deep.equal([200, 'noindex']);
      const { etag = '' } = headers;
      expect((await askBytes(server.pathOf(image), { 'if-none-match': etag })).status).to.equal(304);
    });
  });

  it('counts as a click when the picture itself is delivered from its first byte on', async () => {
    const seen = server.put();
    const requests: [headers: Record<string, string>, method: string][] = [
      [{}, 'GET'],
      [{ range: 'bytes=0-' }, 'GET'],
      [{ range: 'bytes=0-0' }, 'GET'],
      [{ range: 'bytes=1-' }, 'GET'],
      [{ range: 'bytes=-1' }, 'GET'],
      [{ range: 'bytes=5000-' }, 'GET'],
      [{ 'if-none-match': '*' }, 'GET'],
      [{ 'if-match': '"x"' }, 'GET'],
      [{ 'sec-purpose': 'prefetch' }, 'GET'],
      [{}, 'HEAD'],
    ];
    for (const [headers, method] of requests) await askBytes(server.pathOf(seen), headers, method);
    await askBytes(`${server.pathOf(seen)}?size=160`);
    expect(server.clicked.filter((key) => key === seen.key)).to.have.length(3);
  });

  it('is refused before anything is looked up while its client is limited', async () => {
    server.isRefusing = true;
    const { status, headers } = await askBytes(server.pathOf(image)).finally(
      () => (server.isRefusing = false),
    );
    expect(status).to.equal(429);
    expect(headers['cache-control']).to.equal('no-store');
    expect(server.answered.at(-1)?.[0]).to.equal('limited');
  });
});
