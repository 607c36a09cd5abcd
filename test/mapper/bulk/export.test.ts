import { connect } from 'node:net';
import { expect } from 'chai';
import { parseTargetUrl } from '../../../mapper/shorten/target-url.ts';
import { viaProxy, type Proxied } from '../faulty.ts';
import { readAll } from '../import/reading.ts';
import { expectProblem } from '../client.ts';
import { ApiClient, problemKind } from '../api/api-client.ts';
import { TARGET, useApi } from '../api/use-api.ts';
import { expectAllMade, sendLines } from './bulk-fixture.ts';

/** More than two pages of an export. */
const MANY = 1_234;

describe('GET /urls/export', () => {
  const fixture = useApi({ keys: 4_000 });
  const { api, makeLink } = fixture;

  async function anna(options = {}): Promise<{ cookie: string }> {
    return { cookie: await fixture.people.session(await fixture.people.person(options)) };
  }

  async function makeMany(who: { cookie: string }, count = MANY): Promise<string[]> {
    const { items } = await sendLines(
      api,
      who,
      Array.from({ length: count }, (_, index) => ({ long_url: `${TARGET}/${index}`, title: `=${index}` })),
    );
    return expectAllMade(items, count);
  }

  /** The links of a file, as import reads them, by code. */
  async function read(text: string): Promise<Map<string | null, object>> {
    const { outcomes, summary } = await readAll(text, {
      judgeTarget: (url) => parseTargetUrl(url, { own: [], allowPrivateTargets: false, maxBytes: 2_048 }),
      nowMs: Date.now(),
    });
    expect(summary.refused).to.deep.equal({});
    return new Map(outcomes.flatMap((one) => ('link' in one ? [[one.link.code, one.link]] : [])));
  }

  it('writes all links of one user, each once, in both formats, and import reads the same from both', async () => {
    const [who, other] = [await anna(), await anna()];
    const keys = await makeMany(who);
    await makeLink(other.cookie);
    const lines = await api.call('GET', '/urls/export', who);
    expect(lines.headers['content-type']).to.equal('application/x-ndjson');
    expect(lines.headers['content-disposition']).to.equal('attachment; filename="links.ndjson"');
    const table = await api.call('GET', '/urls/export?format=csv', who);
    expect(table.headers['content-type']).to.equal('text/csv; charset=utf-8; header=present');
    expect(table.text).to.match(/^unique_id,short_url,long_url,/);
    const [fromLines, fromTable] = [await read(lines.text), await read(table.text)];
    expect([...fromLines.keys()]).to.have.members(keys);
    expect(fromTable).to.deep.equal(fromLines);
    expect(fromLines.get(keys[7] ?? '')).to.include({ long_url: `${TARGET}/7`, title: '=7' });
    const [first] = lines.text.split('\n');
    const { unique_id: key } = JSON.parse(first ?? '') as { unique_id: string };
    expect(JSON.parse(first ?? '')).to.deep.equal((await api.call('GET', `/urls/${key}`, who)).json());
  });

  it('leaves out deleted links, and keeps those that are expired or switched off', async () => {
    const who = await anna();
    const keys = await makeMany(who, 4);
    await api.call('DELETE', `/urls/${keys[0]}`, who);
    await api.call('PATCH', `/urls/${keys[1]}`, { ...who, body: { disabled: true } });
    for (const { sql } of fixture.world.urls)
      await sql.query(`UPDATE urls SET expires_at = '2020-01-01' WHERE unique_id = ?`, [keys[2]]);
    const { text } = await api.call('GET', '/urls/export', who);
    expect([...(await read(text)).keys()]).to.have.members(keys.slice(1));
  });

  it('is empty, but for its header, for a user without links', async () => {
    const who = await anna();
    expect((await api.call('GET', '/urls/export', who)).text).to.equal('');
    expect((await api.call('GET', '/urls/export?format=csv', who)).text.split('\r\n')).to.have.lengthOf(2);
    const { status, text, headers } = await api.call('HEAD', '/urls/export', who);
    expect([status, text, headers['content-type']]).to.deep.equal([200, '', 'application/x-ndjson']);
  });

  it('writes the links of everybody for an administrator, and for nobody else', async () => {
    const [who, admin] = [await anna(), await anna({ isAdmin: true })];
    const mine = await makeLink(who.cookie);
    const refused = await api.call('GET', '/urls/export?all=true', who);
    expect([refused.status, problemKind(refused)]).to.deep.equal([403, 'missing-scope']);
    const anonymous = await api.call('POST', '/urls', { body: { long_url: TARGET } });
    const all = await read((await api.call('GET', '/urls/export?all=true', admin)).text);
    expect([...all.keys()]).to.include.members([mine, anonymous.json()['unique_id']]);
    expect((await api.call('GET', '/urls/export?all=false', admin)).text).to.equal('');
  });

  it('names a parameter that is wrong', async () => {
    const who = await anna();
    for (const [query, field] of [
      ['format=xml', 'format'],
      ['all=yes', 'all'],
      ['cursor=1', 'cursor'],
    ] as const) {
      const answer = await api.call('GET', `/urls/export?${query}`, who);
      expect(expectProblem(answer, 422).map((error) => error.field)).to.deep.equal([field]);
    }
  });

  it('runs twice for one user at the same time, and says so to a third', async () => {
    const who = await anna();
    await makeMany(who);
    const answers = await Promise.all([1, 2, 3].map(async () => api.call('GET', '/urls/export', who)));
    expect(answers.map(({ status }) => status)).to.have.members([200, 200, 503]);
    const [refused] = answers.filter(({ status }) => status === 503);
    expect(refused?.headers['retry-after']).to.equal('1');
    expect((await api.call('GET', '/urls/export', who)).status).to.equal(200);
  });

  describe('while a urls server goes away', () => {
    let proxied: Proxied & { readonly slots: readonly number[] };

    before(async () => {
      const { name, url, slots } = fixture.world.urls[1] ?? expect.fail();
      proxied = await viaProxy({ name, url, slots });
    });

    after(async () => proxied.proxy.stop());

    it('is cut off before its end, and is a problem when it has not begun', async function () {
      this.timeout(60_000);
      const who = await anna();
      const count = 3_000;
      await makeMany(who, count);
      const [one] = fixture.world.urls;
      const mapper = await fixture.world.start({ stores: { urlsDbs: [one ?? expect.fail(), proxied] } });
      try {
        const head = `GET /urls/export HTTP/1.1\r\nHost: x\r\nCookie: ${who.cookie}\r\n\r\n`;
        // The first page is here: the server goes.
        const part = await receive(mapper.url, head, () => proxied.proxy.silence());
        expect(part).to.match(/^HTTP\/1.1 200 /);
        expect(part.endsWith('\r\n0\r\n\r\n'), 'the body has an end').to.equal(false);
        expect(part.split('"unique_id"').length - 1).to.be.within(1, count - 1);
        const refused = await new ApiClient(() => mapper.url, api.document).call('GET', '/urls/export', who);
        expect([refused.status, problemKind(refused)]).to.deep.equal([503, 'store-down']);
        expect(refused.json()['detail']).to.include('urls-2');
      } finally {
        proxied.proxy.heal();
        await mapper.stop();
      }
    });
  });
});

/** Sends a request, and returns all that arrives until the connection ends. */
async function receive(url: string, request: string, onFirst: () => void): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    if (text === '') onFirst();
    text += chunk.toString();
  });
  socket.on('error', () => undefined);
  socket.write(request);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}
