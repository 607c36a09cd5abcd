import { expect } from 'chai';
import { ExportService } from '../../../mapper/api/export-service.ts';
import type { Identity } from '../../../mapper/auth/identities.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import type { OwnLinks } from '../../../mapper/links/own-links.ts';
import { until } from '../../until.ts';
import { PASSWORD } from '../api/people.ts';
import { TARGET, useApi } from '../api/use-api.ts';
import { beginBulk, expectAllMade, itemsOf, sendLines, toChunk } from './bulk-fixture.ts';

describe('a long request whose sender loses his right', () => {
  const fixture = useApi({ keys: 4_000 });
  const { api } = fixture;

  async function anna() {
    const person = await fixture.people.person();
    const scopes = ['links:read', 'links:write'];
    return {
      cookie: await fixture.people.session(person),
      ...(await fixture.people.key(person, scopes)),
    };
  }

  async function revoke({ cookie, keyId }: { cookie: string; keyId: string }): Promise<void> {
    const { status } = await api.call('DELETE', `/users/me/keys/${keyId}`, { cookie });
    expect(status).to.equal(204);
  }

  /** An item is bound with others, one has an alias, one is made alone, and one has a password. */
  const ITEMS = [
    { long_url: TARGET },
    { long_url: TARGET, custom_alias: 'for-nobody' },
    { long_url: TARGET, find_if_exists: true },
    { long_url: TARGET, password: 'secret' },
  ];

  it('makes no further links with a key that was revoked', async () => {
    const who = await anna();
    const bulk = await beginBulk(fixture.mapper.url, { Authorization: `Bearer ${who.key}` });
    bulk.socket.write(toChunk([{ long_url: TARGET }]));
    await until('its answer', () => bulk.received().includes('{"index":0,"status":201'));
    await revoke(who);
    bulk.socket.write(`${toChunk(ITEMS)}0\r\n\r\n`);
    await until('the end', () => bulk.received().endsWith('0\r\n\r\n'));
    bulk.socket.destroy();
    const answers = bulk.received().matchAll(/"index":(\d),"status":(\d+)/g);
    expect(Array.from(answers, ([, index, status]) => `${index} ${status}`)).to.deep.equal([
      '0 201',
      '1 401',
      '2 401',
      '3 401',
      '4 401',
    ]);
    expect(bulk.received()).to.include('urn:keymill:problem:bad-credential');
    const list = await api.call('GET', '/urls', { cookie: who.cookie });
    expect(itemsOf(list)).to.have.lengthOf(1);
  });

  it('makes no further links for an account that is deleted', async () => {
    const who = await anna();
    const bulk = await beginBulk(fixture.mapper.url, { Authorization: `Bearer ${who.key}` });
    bulk.socket.write(toChunk([{ long_url: TARGET }]));
    await until('its answer', () => bulk.received().includes('{"index":0,"status":201'));
    const body = { password: PASSWORD, delete_links: true };
    const { status } = await api.call('DELETE', '/users/me', { cookie: who.cookie, body });
    expect(status).to.be.within(200, 299);
    bulk.socket.write(`${toChunk([{ long_url: TARGET }])}0\r\n\r\n`);
    await until('the end', () => bulk.received().endsWith('0\r\n\r\n'));
    bulk.socket.destroy();
    expect(bulk.received()).to.include('{"index":1,"status":401');
  });

  it('changes no further links', async () => {
    const who = await anna();
    const items = Array.from({ length: 1_000 }, () => ({ long_url: TARGET }));
    const keys = expectAllMade((await sendLines(api, { key: who.key }, items)).items, 1_000);
    const changing = api.call('PATCH', '/urls/bulk', {
      key: who.key,
      body: { unique_ids: keys, set: { title: 'Changed' } },
    });
    await until('the first change', async () => {
      const read = await api.call('GET', `/urls/${keys[0]}`, { cookie: who.cookie });
      return read.json()['title'] === 'Changed';
    });
    await revoke(who);
    const statuses = itemsOf(await changing).map(({ status }) => status);
    expect(statuses[0]).to.equal(200);
    expect(statuses.at(-1)).to.equal(401);
    const deleting = { key: who.key, body: { unique_ids: keys } };
    expect((await api.call('POST', '/urls/bulk/delete', deleting)).status).to.equal(401);
  });

  it('reads no further page of an export', async () => {
    const identity: Identity = {
      userId: 1n,
      scopes: ['links:read'],
      proof: { kind: 'key', id: 'k' },
      endsAtMs: Number.POSITIVE_INFINITY,
      usedAtMs: 0,
    };
    let pages = 0;
    const page = async () => {
      pages += 1;
      return { items: [], nextCursor: 'next' };
    };
    const own = { list: page, clicksOf: async () => new Map() } as unknown as OwnLinks;
    const identifyAgain = async (): Promise<Identity> => {
      if (pages === 2) throw new Problem('bad-credential');
      return identity;
    };
    const { content } = new ExportService(own, 'https://example.com').export(
      { identity, identifyAgain },
      'csv',
      false,
    );
    let error: unknown;
    try {
      for await (const _ of content as AsyncIterable<string>);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).to.be.instanceOf(Problem).and.include({ code: 'bad-credential' });
    expect(pages).to.equal(2);
  });
});
