import { expect } from 'chai';
import { PASSWORD } from '../mapper/api/people.ts';
import type { Person } from './person.ts';
import { DESK, PATIENCE } from './setting.ts';
import { useSite } from './use-site.ts';

/** A form that a page of another site has filled in for the visitor. */
interface Trap {
  readonly to: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly enctype?: string;
}

describe('pages of other sites', function () {
  this.timeout(120_000 * PATIENCE);
  const site = useSite();

  async function signedIn(): Promise<{ person: Person; cookie: string }> {
    const cookie = await site.people.session(await site.people.person());
    return { person: await site.arrive(DESK, 'attacks', { cookie }), cookie };
  }

  /**
   * The other site is on another host, or on another port of ours. From the latter, browsers send our cookies
   * also with forms: only `Origin` and `Sec-Fetch-Site` tell it from us.
   */
  const attackers = (): readonly string[] => [
    site.elsewhere.host,
    site.elsewhere.host.replace('elsewhere.test', '127.0.0.1'),
  ];

  /** @returns the status of the answer to the form */
  async function fallInto(person: Person, attacker: string, { to, fields, enctype }: Trap): Promise<number> {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    const type = enctype === undefined ? '' : ` enctype="${enctype}"`;
    const form = `<form method="post" action="${site.mapper.url}${to}"${type}>${inputs.join('')}<button>Win a prize</button></form>`;
    site.elsewhere.put('/trap', `<!doctype html><title>Trap</title>${form}`);
    await person.page.goto(`http://${attacker}/trap`);
    const answered = person.page.waitForResponse(`${site.mapper.url}${to}`);
    await person.press('Win a prize');
    return (await answered).status();
  }

  async function linksOf(cookie: string): Promise<unknown[]> {
    const answer = await site.api.call('GET', '/urls', { cookie });
    return answer.json()['items'] as unknown[];
  }

  const TRAPS: readonly Trap[] = [
    { to: '/urls', fields: { long_url: 'https://evil.example/' } },
    { to: '/urls', fields: { long_url: 'https://evil.example/' }, enctype: 'multipart/form-data' },
    { to: '/urls', fields: { '{"long_url":"https://evil.example/","x":"': '"}' }, enctype: 'text/plain' },
    { to: '/login', fields: { email: 'evil@example.com', password: PASSWORD } },
    { to: '/signup', fields: { email: 'evil@example.com', password: PASSWORD } },
    { to: '/logout', fields: {} },
    { to: '/settings', fields: { first_name: 'Evil' } },
    { to: '/settings/password', fields: { current: PASSWORD, new: `evil ${PASSWORD}` } },
    { to: '/settings/keys', fields: { name: 'evil', scopes: 'account' } },
    { to: '/settings/webhooks', fields: { url: 'https://evil.example/', events: 'link.created' } },
    { to: '/settings/delete', fields: { password: PASSWORD, delete_links: 'true' } },
  ];

  it('cannot send our forms for somebody who is signed in', async () => {
    const { person, cookie } = await signedIn();
    for (const attacker of attackers()) {
      person.complaints.allowVisits(attacker);
      for (const trap of TRAPS) {
        const what = `${trap.to} as ${trap.enctype ?? 'a form'} from ${attacker}`;
        expect(await fallInto(person, attacker, trap), what).to.be.oneOf([400, 403, 415]);
      }
    }
    const profile = await site.api.call('GET', '/users/me', { cookie });
    expect([profile.status, profile.json()['first_name']]).to.deep.equal([200, null]);
    expect(await linksOf(cookie)).to.deep.equal([]);
    for (const path of ['/users/me/keys', '/users/me/webhooks'])
      expect((await site.api.call('GET', path, { cookie })).json()['items']).to.deep.equal([]);
    await person.goTo('/settings');
    expect(await person.page.getByRole('button', { name: 'Sign out' }).count()).to.equal(1);
  });

  it('cannot call the API by scripts', async () => {
    const { person, cookie } = await signedIn();
    for (const attacker of attackers()) {
      person.complaints.allowVisits(attacker);
      await person.page.goto(`http://${attacker}/`);
      const outcome = await person.page.evaluate<string>(`
        fetch(${JSON.stringify(`${site.mapper.url}/urls`)}, {
          method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' },
          body: '{"long_url":"https://evil.example/"}',
        }).then(() => 'answered', () => 'refused')`);
      expect(outcome, attacker).to.equal('refused');
      await person.page.evaluate(`
        fetch(${JSON.stringify(`${site.mapper.url}/urls`)}, {
          method: 'POST', credentials: 'include', mode: 'no-cors', body: '{"long_url":"https://evil.example/"}',
        }).catch(() => undefined)`);
    }
    expect(await linksOf(cookie)).to.deep.equal([]);
  });

  it('cannot show our pages in a frame', async () => {
    const { person } = await signedIn();
    const key = await site.link({ password: 'open sesame' });
    const paths = [
      '/',
      '/login',
      '/settings',
      '/settings/delete',
      '/docs',
      '/nosuchkey',
      `/${key}`,
      `/${key}+`,
    ];
    const frames = paths.map((path) => `<iframe src="${site.mapper.url}${path}"></iframe>`);
    site.elsewhere.put('/frames', `<!doctype html><title>Frames</title>${frames.join('')}`);
    for (const attacker of attackers()) {
      person.complaints.allowVisits(attacker);
      await person.page.goto(`http://${attacker}/frames`, { waitUntil: 'load' });
      const inside = person.page.frames().slice(1);
      expect(inside).to.have.length(paths.length);
      for (const frame of inside) expect(await frame.content()).not.to.include('Keymill');
      const refused = person.complaints.take().filter((complaint) => complaint.includes('frame-ancestors'));
      expect(refused, refused.join('\n')).to.have.length(paths.length);
    }
  });

  it('do not see the address of the page that a link to them was on', async () => {
    const key = await site.link({});
    const person = await site.arrive(DESK, 'attacks');
    await person.goTo(`/${key}+?secret=1`);
    const [request] = await Promise.all([
      person.page.waitForRequest(site.elsewhere.url('/')),
      person.follow('Follow the short link'),
    ]);
    expect((await request.allHeaders())['referer'] ?? '').not.to.include('secret');
  });
});
