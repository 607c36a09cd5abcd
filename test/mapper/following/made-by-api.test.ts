import { expect } from 'chai';
import { useApi } from '../api/use-api.ts';
import { send, type Answer } from '../client.ts';

describe('a link that was made with rules by the API', () => {
  const fixture = useApi();
  const { api, makeLink } = fixture;
  let cookie: string;

  before(async () => {
    cookie = await fixture.people.session(await fixture.people.person());
  });

  async function follow(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return send('GET', `${fixture.mapper.url}/${path}`, { headers });
  }

  it('is followed as its fields say, however they were spelled', async () => {
    const key = await makeLink(cookie, {
      redirect_type: 308,
      forward_query: true,
      noindex: true,
      targets: [
        { when: { language: ['DE-at', 'iw'] }, long_url: 'https://example.com/dialect#top' },
        { when: { device: ['android'], country: null }, long_url: 'https://example.com/android' },
      ],
    });
    const german = await follow(`${key}?a=1`, { 'accept-language': 'de-AT-1996;q=0.3' });
    expect([german.status, german.headers.location, german.headers['x-robots-tag']]).to.deep.equal([
      308,
      'https://example.com/dialect?a=1#top',
      'noindex',
    ]);
    expect((await follow(key, { 'accept-language': 'he' })).headers.location).to.equal(
      'https://example.com/dialect#top',
    );
    expect((await follow(key, { 'accept-language': 'iw-IL' })).headers.location).to.equal(
      'https://example.com/dialect#top',
    );
    const phone = await follow(key, { 'user-agent': 'Mozilla/5.0 (Linux; Android 15)' });
    expect(phone.headers.location).to.equal('https://example.com/android');
    expect(phone.headers.vary).to.equal('User-Agent, Accept-Language');
  });

  it('is followed by its new rules as soon as a change is answered, and plainly when all are cleared', async () => {
    const key = await makeLink(cookie);
    expect((await follow(key)).status).to.equal(302);
    const change = async (body: object): Promise<void> => {
      expect((await api.call('PATCH', `/urls/${key}`, { cookie, body })).status).to.equal(200);
    };
    await change({ redirect_type: 301, valid_from: '2999-01-01T00:00:00Z' });
    expect((await follow(key)).status).to.equal(404);
    await change({ valid_from: null });
    expect((await follow(key)).status).to.equal(301);
    await change({ redirect_type: null, noindex: true });
    const hidden = await follow(key);
    expect([hidden.status, hidden.headers['x-robots-tag']]).to.deep.equal([302, 'noindex']);
    await change({ noindex: null });
    const plain = await follow(key);
    expect([plain.status, plain.headers['x-robots-tag']]).to.deep.equal([302, undefined]);
  });

  it('leads elsewhere when it has expired', async () => {
    const expired_url = 'https://example.com/over';
    const expiration_date = new Date(Date.now() + 700).toISOString();
    const key = await makeLink(cookie, { expiration_date, expired_url, forward_query: true });
    let location = (await follow(`${key}?q`)).headers.location;
    expect(location).to.not.equal(expired_url);
    while (location !== expired_url) ({ location } = (await follow(`${key}?q`)).headers);
    expect(Date.now()).to.be.at.least(Date.parse(expiration_date));
    expect((await follow(`${key}+`)).json()['long_url']).to.equal(expired_url);
  });
});
