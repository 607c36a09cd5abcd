import { expect } from 'chai';
import { newcomer } from '../link-pages/newcomer.ts';
import { fieldsOf, wordsOf } from '../link-pages/browser.ts';
import { useApi } from './use-api.ts';

describe('a request with several faults', () => {
  const fixture = useApi({ hasImages: true });
  const { api } = fixture;
  let cookie: string;
  let key: string;

  before(async () => {
    cookie = await fixture.people.session(await fixture.people.person());
    key = await fixture.makeLink(cookie);
  });

  const LOCAL = 'http://127.0.0.1/';
  /** Faults of which some are found by the schema, and some by the rules of this service. */
  const FAULTY = {
    long_url: LOCAL,
    title: 'x'.repeat(201),
    expired_url: 'javascript:alert(1)',
    targets: [{ when: { device: ['fridge'] }, long_url: LOCAL }],
    max_visits: 0,
    oops: 1,
  };
  const FIELDS = [
    'expired_url',
    'long_url',
    'max_visits',
    'oops',
    'targets.0.long_url',
    'targets.0.when.device.0',
    'title',
  ];

  const CASES: readonly [string, string, () => string, object | undefined, readonly string[]][] = [
    ['a new link', 'POST', () => '/urls', FAULTY, FIELDS],
    ['a change of a link', 'PATCH', () => `/urls/${key}`, FAULTY, FIELDS],
    [
      'a change of many links',
      'PATCH',
      () => '/urls/bulk',
      { unique_ids: 'all', set: FAULTY },
      [...FIELDS.map((field) => `set.${field}`), 'unique_ids'],
    ],
    ['a webhook', 'POST', () => '/users/me/webhooks', { url: LOCAL, events: ['x'] }, ['events.0', 'url']],
    [
      'a change of a webhook',
      'PATCH',
      () => '/users/me/webhooks/0',
      { url: LOCAL, disabled: 'no' },
      ['disabled', 'url'],
    ],
    [
      'a question about clicks',
      'GET',
      () => '/stats?unit=week&tz=Mars&by=hat',
      undefined,
      ['by', 'tz', 'unit'],
    ],
    [
      'an API key',
      'POST',
      () => '/users/me/keys',
      { name: '', scopes: [], expires_at: 'soon' },
      ['expires_at', 'name', 'scopes'],
    ],
    ['a list', 'GET', () => '/urls?limit=0&state=lost&from=now', undefined, ['from', 'limit', 'state']],
    ['a QR code', 'GET', () => `/urls/${key}/qr.svg?size=0&level=Z`, undefined, ['level', 'size']],
    [
      'the name of a user',
      'PATCH',
      () => '/users/me',
      { first_name: 1, email: 'no' },
      ['email', 'first_name'],
    ],
  ];

  for (const [what, method, path, body, fields] of CASES)
    it(`names all of them: ${what}`, async () => {
      const answer = await api.call(method, path(), { cookie, ...(body && { body }) });
      expect(answer.status, answer.text).to.equal(422);
      const errors = answer.json()['errors'] as { field: string }[];
      expect(errors.map(({ field }) => field).sort()).to.deep.equal([...fields].sort());
    });

  it('names all of them: an image of nobody, with parameters', async () => {
    const answer = await api.call('POST', '/images?title=a&expiration_date=soon', {
      body: Buffer.from('x'),
      headers: { 'content-type': 'image/png' },
    });
    expect(answer.status, answer.text).to.equal(422);
    const errors = answer.json()['errors'] as { field: string }[];
    expect(errors.map(({ field }) => field).sort()).to.deep.equal(['expiration_date', 'title']);
  });

  it('has all of them on the page of a link', async () => {
    const { cookie: mine, browser } = await newcomer(fixture);
    const path = `/urls/${await fixture.makeLink(mine)}`;
    const page = await browser.get(path);
    const refused = await browser.post(path, {
      ...fieldsOf(page, path),
      long_url: LOCAL,
      title: 'x'.repeat(201),
      max_visits: '0',
    });
    expect(refused.status).to.equal(422);
    for (const label of ['Target', 'Title', 'Number of visits'])
      expect(wordsOf(refused)).to.match(new RegExp(`${label}[^.]* (?:must|is)`));
  });
});
