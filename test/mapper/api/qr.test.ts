import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import { expectProblem } from '../client.ts';
import { ownedRow } from '../own-links-fixture.ts';
import { drawSvg, readCode, readPng } from '../qr/pictures.ts';
import { useApi } from './use-api.ts';

describe('QR codes of own links', () => {
  const fixture = useApi();
  const { api, makeLink } = fixture;

  async function anna(): Promise<{ cookie: string }> {
    const { people } = fixture;
    return { cookie: await people.session(await people.person()) };
  }

  /** The bytes of a picture. */
  async function png(path: string, headers: Record<string, string>): Promise<Buffer> {
    const answer = await fetch(fixture.mapper.url + path, { headers });
    expect([answer.status, answer.headers.get('content-type')]).to.deep.equal([200, 'image/png']);
    return Buffer.from(await answer.arrayBuffer());
  }

  it('have the short URL, as SVG and as PNG, with every level', async () => {
    const who = await anna();
    for (const custom_alias of [undefined, 'qr-', `a${'-'.repeat(62)}z`]) {
      const key = await makeLink(who.cookie, { custom_alias });
      const url = `${fixture.mapper.url}/${key}`;
      for (const level of ['L', 'M', 'Q', 'H']) {
        const svg = await api.call('GET', `/urls/${key}/qr.svg?level=${level}`, who);
        expect([svg.status, svg.headers['content-type']], svg.text).to.deep.equal([200, 'image/svg+xml']);
        expect(readCode(drawSvg(svg.text, 3))).to.equal(url);
        const pixels = readPng(await png(`/urls/${key}/qr.png?level=${level}&size=300`, who));
        expect([pixels.width, readCode(pixels)]).to.deep.equal([300, url]);
      }
    }
  });

  it('of a code of another shortener have the URL that is followed, also one of 255 bytes', async () => {
    const { people, world, mapper } = fixture;
    const person = await people.person();
    const who = { cookie: await people.session(person) };
    for (const key of ['1', 'team/plan', 'b%C3%BCcher', '%F0%9F%9A%80'.repeat(21) + 'abc']) {
      const server = world.urls.find(({ slots }) => slots.includes(slotOf(key))) ?? expect.fail();
      const db = openOwnLinksDb(server);
      await db.insert([ownedRow({ userId: person.id, isAdmin: false }, { key, alias: true })]);
      await db.close();
      const path = `/urls/${encodeURIComponent(key)}/qr`;
      const svg = await api.call('GET', `${path}.svg?level=H`, who);
      expect(svg.status, svg.text).to.equal(200);
      expect(readCode(drawSvg(svg.text, 3))).to.equal(`${mapper.url}/${key}`);
      expect(readCode(readPng(await png(`${path}.png?level=H`, who)))).to.equal(`${mapper.url}/${key}`);
    }
  });

  it('have the size, the margin and the colours that are asked for', async () => {
    const who = await anna();
    const key = await makeLink(who.cookie);
    const look = 'size=101&margin=1&dark=%231a3c8b&light=ffeecc80';
    const pixels = readPng(await png(`/urls/${key}/qr.png?${look}`, who));
    expect([pixels.width, pixels.height]).to.deep.equal([101, 101]);
    expect(Buffer.from(pixels.data.subarray(0, 4)).toString('hex')).to.equal('ffeecc80');
    expect(readCode(pixels)).to.equal(`${fixture.mapper.url}/${key}`);
    const svg = await api.call('GET', `/urls/${key}/qr.svg?${look}`, who);
    expect(svg.text)
      .to.match(/^<svg [^>]*width="101" height="101" viewBox="0 0 (\d+) \1"/)
      .and.include('fill="#1a3c8b"')
      .and.include('fill="#ffeecc" fill-opacity="0.502"');
  });

  const REFUSED: readonly (readonly [query: string, field: string, reason: RegExp])[] = [
    ['size=63', 'size', /^must be a whole number from 64 to 4096$/],
    ['size=4097', 'size', /from 64 to 4096/],
    ['size=99999', 'size', /from 64 to 4096/],
    ['size=1e3', 'size', /from 64 to 4096/],
    ['size=', 'size', /from 64 to 4096/],
    ['size=100&size=200', 'size', /given more than once/],
    ['margin=17', 'margin', /^must be a whole number from 0 to 16$/],
    ['margin=-1', 'margin', /from 0 to 16/],
    ['level=m', 'level', /^must be one of L, M, Q, H$/],
    ['dark=black', 'dark', /^must be a colour: /],
    ['light=%23ff', 'light', /^must be a colour: /],
    ['dark=fff%22/%3E%3Cscript%3E', 'dark', /^must be a colour: /],
    ['dark=fff', 'dark', /^must be darker than light: their contrast is 1.0, and must be at least 3$/],
    ['dark=fff&light=000', 'dark', /must be darker than light/],
    ['dark=00000010', 'dark', /must be darker than light/],
    ['colour=000', 'colour', /unknown parameter|unknown field/],
  ];
  for (const [query, field, reason] of REFUSED)
    it(`are refused with ${query}`, async () => {
      const who = await anna();
      const key = await makeLink(who.cookie);
      for (const format of ['svg', 'png']) {
        const [error] = expectProblem(await api.call('GET', `/urls/${key}/qr.${format}?${query}`, who), 422);
        expect(error?.field).to.equal(field);
        expect(error?.reason).to.match(reason);
      }
    });

  it('say how large a PNG must be so that it can be read', async () => {
    const who = await anna();
    const key = await makeLink(who.cookie, { custom_alias: `b${'-'.repeat(62)}z` });
    const path = `/urls/${key}/qr.png?level=H&margin=16&size=`;
    const [error] = expectProblem(await api.call('GET', `${path}64`, who), 422);
    const least = /^must be at least (\d+) for this link, with this level and margin$/.exec(
      error?.reason ?? '',
    );
    expect(error?.field).to.equal('size');
    const pixels = readPng(await png(path + String(least?.[1]), who));
    expect(readCode(pixels)).to.equal(`${fixture.mapper.url}/${key}`);
    expect((await api.call('GET', `${path}${Number(least?.[1]) - 1}`, who)).status).to.equal(422);
  });

  it('may be kept for a day by the one who asked, and are 304 as long as nothing differs', async () => {
    const who = await anna();
    const key = await makeLink(who.cookie);
    const tags = new Set<string>();
    for (const path of ['qr.svg', 'qr.png', 'qr.png?size=300', 'qr.png?dark=111', 'qr.svg?level=H']) {
      const first = await api.call('GET', `/urls/${key}/${path}`, who);
      const { etag = '', 'cache-control': cache } = first.headers;
      expect(cache).to.equal('private, max-age=86400');
      tags.add(etag);
      const again = await api.call('GET', `/urls/${key}/${path}`, {
        ...who,
        headers: { 'if-none-match': etag },
      });
      expect([again.status, again.text, again.headers.etag]).to.deep.equal([304, '', etag]);
      expect(again.headers['cache-control']).to.equal(cache);
      const changed = await api.call('PATCH', `/urls/${key}`, { ...who, body: { title: path } });
      expect(changed.status).to.equal(200);
      const same = await api.call('GET', `/urls/${key}/${path}`, who);
      expect(same.headers.etag).to.equal(etag);
    }
    expect(tags.size).to.equal(5);
  });

  it('are for those who may read the link: another gets what he gets for an unknown one', async () => {
    const { people } = fixture;
    const owner = await people.person();
    const key = await makeLink(await people.session(owner));
    const admin = { cookie: await people.session(await people.person({ isAdmin: true })) };
    for (const format of ['svg', 'png']) {
      const path = `/urls/${key}/qr.${format}`;
      const creator = await people.key(owner, ['links:create']);
      const reader = await people.key(owner, ['links:read']);
      expect((await api.call('GET', path)).status).to.equal(401);
      expect((await api.call('GET', path, { key: creator.key })).status).to.equal(403);
      expect((await api.call('GET', path, { key: reader.key })).status).to.equal(200);
      expect((await api.call('GET', path, admin)).status).to.equal(200);
      const stranger = await anna();
      const [others, unknown] = await Promise.all([
        api.call('GET', path, stranger),
        api.call('GET', `/urls/unknown/qr.${format}`, stranger),
      ]);
      expect([others.status, others.text]).to.deep.equal([404, unknown.text]);
      expect(others.headers['cache-control']).to.equal('no-store');
    }
    expect((await api.call('GET', `/urls/${key}/qr.gif`, admin)).status).to.equal(404);
    expect((await api.call('HEAD', `/urls/${key}/qr.png`, admin)).status).to.equal(200);
    expect((await api.call('POST', `/urls/${key}/qr.png`, admin)).status).to.equal(405);
  });
});
