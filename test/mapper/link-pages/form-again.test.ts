import { expect } from 'chai';
import { Problem, type ProblemKind } from '../../../mapper/http/problem.ts';
import { repeatKeyField } from '../../../mapper/pages/repeat-key.ts';
import { TARGET, useApi } from '../api/use-api.ts';
import { send } from '../client.ts';
import { placeOf, Visitor } from '../pages/visitor.ts';
import { type Browser, fieldsOf, wordsOf } from './browser.ts';
import { newcomer, type Newcomer } from './newcomer.ts';

const NEW = '/urls/-/new';

describe('the form of a link that is shown again', () => {
  const fixture = useApi({ keys: 200 });
  let cookie: string;
  let browser: Browser;
  let linkOf: Newcomer['linkOf'];

  before(async () => {
    ({ cookie, browser, linkOf } = await newcomer(fixture));
  });

  it('makes no link without the password that was typed before', async () => {
    await fixture.makeLink(cookie, { custom_alias: 'guarded' });
    const form = fieldsOf(await browser.get(NEW), NEW);
    const filled = { ...form, long_url: TARGET, custom_alias: 'guarded', password: 'a secret' };
    const taken = await browser.post(NEW, filled);
    expect(taken.status).to.equal(409);
    expect(taken.text).not.to.include('a secret');
    expect(wordsOf(taken)).to.include('Password must be typed again').and.not.include('given: Password');
    expect(taken.text)
      .to.match(/<details class="more" open>\s*<summary>How it is followed/)
      .and.match(/<input[^>]*name="password"[^>]*aria-invalid="true"/);
    const mended = { ...fieldsOf(taken, NEW), custom_alias: 'guarded-2' };
    const refused = await browser.post(NEW, mended);
    expect([refused.status, refused.text.includes('id="fault-password"')]).to.deep.equal([422, true]);
    // It is lost for good: also the next form asks for it.
    const again = fieldsOf(refused, NEW);
    expect((await browser.post(NEW, again)).status).to.equal(422);
    expect(placeOf(await browser.post(NEW, { ...again, password: 'a secret' }))).to.equal(
      '/urls/guarded-2?done=made',
    );
    expect(await linkOf('guarded-2')).to.include({ has_password: true });
    const without = {
      ...again,
      idempotency_key: 'another',
      custom_alias: 'guarded-3',
      without_password: 'true',
    };
    expect(placeOf(await browser.post(NEW, without))).to.equal('/urls/guarded-3?done=made');
    expect(await linkOf('guarded-3')).to.include({ has_password: false });
  });

  it('changes no link without the password that was typed before', async () => {
    const key = await fixture.makeLink(cookie, { password: 'the first' });
    const path = `/urls/${key}`;
    const form = fieldsOf(await browser.get(path), path);
    await browser.post(path, { ...form, tags: 'theirs' });
    const typed = { ...form, title: 'Mine', password: 'the second', remove_password: 'true' };
    const late = await browser.post(path, typed);
    expect([late.status, wordsOf(late).includes('Password must be typed again')]).to.deep.equal([412, true]);
    const shown = fieldsOf(late, path);
    expect(shown).to.include({ title: 'Mine' }).and.not.have.any.keys('remove_password', 'without_password');
    const refused = await browser.post(path, shown);
    expect([refused.status, refused.text.includes('id="fault-password"')]).to.deep.equal([422, true]);
    expect(await linkOf(key)).to.include({ title: null, version: 2 });
    const kept = { ...fieldsOf(refused, path), without_password: 'true' };
    expect(placeOf(await browser.post(path, kept))).to.equal(`${path}?done=saved`);
    expect(await linkOf(key)).to.include({ title: 'Mine', has_password: true });
  });

  it('of the front page makes no link without the password either', async () => {
    const visitor = new Visitor(() => fixture.mapper.url);
    const fields = { long_url: TARGET, custom_alias: 'front-guarded' };
    await visitor.post('/urls', fields);
    const taken = await visitor.post('/urls', { ...fields, password: 'a secret' });
    expect([taken.status, wordsOf(taken).includes('Password must be typed again')]).to.deep.equal([
      409,
      true,
    ]);
    const mended = { ...fieldsOf(taken, '/urls'), custom_alias: 'front-guarded-2' } as Record<string, string>;
    expect((await visitor.post('/urls', mended)).status).to.equal(422);
    expect((await send('GET', `${fixture.mapper.url}/front-guarded-2`)).status).to.equal(404);
    const typed = await visitor.post('/urls', { ...mended, password: 'a secret' });
    expect(placeOf(typed)).to.equal('/?made=front-guarded-2');
    expect((await send('GET', `${fixture.mapper.url}/front-guarded-2`)).status).to.equal(401);
  });

  it('of the front page makes one link when it is sent twice', async () => {
    const ana = new Visitor(() => fixture.mapper.url, cookie);
    for (const visitor of [ana, new Visitor(() => fixture.mapper.url)]) {
      const form = fieldsOf(await visitor.get('/'), '/urls') as Record<string, string>;
      const filled = { ...form, long_url: TARGET, expires_in: '30' };
      const place = placeOf(await visitor.post('/urls', filled));
      expect(place).to.match(/^\/\?made=/);
      expect(placeOf(await visitor.post('/urls', filled))).to.equal(place);
      const other = await visitor.post('/urls', { ...filled, long_url: `${TARGET}/other` });
      // Nobody can say of nobody whether it is the same person.
      if (visitor === ana) expect(wordsOf(other)).to.include('was sent before with other content');
      else expect(placeOf(other)).to.match(/^\/\?made=/);
      const strange = await visitor.post('/urls', { ...filled, expires_in: 'x', long_url: TARGET });
      expect([strange.status, strange.text.includes('id="fault-expires_in"')]).to.deep.equal([422, true]);
    }
  });

  it('stays the same request only after an error of ours', () => {
    const keyAfter = (kind: ProblemKind): string | undefined => {
      const values = new URLSearchParams({ idempotency_key: 'sent-before' });
      return /value="([^"]*)"/.exec(repeatKeyField({ values, problem: new Problem(kind) }).text)?.[1];
    };
    for (const kind of ['no-key', 'store-down', 'internal'] as const)
      expect(keyAfter(kind), kind).to.equal('sent-before');
    for (const kind of ['alias-taken', 'invalid-request', 'idempotency-key-reused'] as const)
      expect(keyAfter(kind), kind).to.match(/^[0-9a-f-]{36}$/);
  });
});
