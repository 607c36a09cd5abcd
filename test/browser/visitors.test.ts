import { expect } from 'chai';
import { createToken } from '../../mapper/auth/secrets.ts';
import { PASSWORD } from '../mapper/api/people.ts';
import { randomPng } from '../mapper/images/pictures.ts';
import { NO_LIMITS } from '../mapper/world.ts';
import { until } from '../until.ts';
import { nameOf, PATIENCE, SETTINGS } from './setting.ts';
import { useSite } from './use-site.ts';

/** A password of a link. */
const OPEN_SESAME = 'open sesame';

for (const setting of SETTINGS)
  describe(`those who follow links (${nameOf(setting)})`, function () {
    this.timeout(120_000 * PATIENCE);
    const site = useSite();

    it('give the password of a link: first a wrong one, then the right one', async () => {
      const cookie = await site.people.session(await site.people.person());
      const key = await site.link({ password: OPEN_SESAME }, cookie);
      const person = await site.arrive(setting, 'password');
      await person.goTo(`/${key}`, 401);
      await person.look('asked');
      await person.type('Password', 'a guess');
      await person.press('Open the link');
      await person.hears('That was not the password');
      await person.look('wrong');
      await person.type('Password', OPEN_SESAME);
      await person.press('Open the link');
      await person.isAt('You have arrived');
      person.complaints.expectNone('on the way');
    });

    it('look where a link leads before they follow it', async () => {
      const long = site.elsewhere.url(`/${'a-long-path/'.repeat(40)}`);
      const key = await site.link({ long_url: long });
      const person = await site.arrive(setting, 'preview');
      await person.goTo(`/${key}+`);
      await person.sees(long);
      await person.look('target');
      await person.follow('Follow the short link');
      await person.isAt('You have arrived');
      person.complaints.expectNone('on the way');
    });

    it('are told that there is no such link, or no longer, or not now', async () => {
      const cookie = await site.people.session(await site.people.person());
      const person = await site.arrive(setting, 'refused');
      await person.goTo('/nosuchkey', 404);
      await person.look('unknown');
      const deleted = await site.link({}, cookie);
      expect((await site.api.call('DELETE', `/urls/${deleted}`, { cookie })).status).to.equal(204);
      await person.goTo(`/${deleted}`, 410);
      await person.look('deleted');
      const disabled = await site.link({}, cookie);
      await site.api.call('PATCH', `/urls/${disabled}`, { cookie, body: { disabled: true } });
      await person.goTo(`/${disabled}`, 410);
      await person.look('disabled');
      const once = await site.link({ max_visits: 1 }, cookie);
      await person.goTo(`/${once}`);
      await person.goTo(`/${once}`, 410);
      await person.look('used up');
    });

    it('are told to wait when they ask for too many links that do not exist', async () => {
      const perMinute = { ...NO_LIMITS.perMinute, 'not-found': 1 };
      const strict = await site.world.start({
        ...site.settings,
        limits: { ...NO_LIMITS, perMinute, loopback: true },
      });
      const person = await site.arrive(setting, 'refused', { url: strict.url });
      await person.goTo('/nosuchkey', 404);
      await person.goTo('/nosuchkey', 429);
      await person.look('too many');
      await strict.stop();
    });

    it('are told to come back when the stores are away', async () => {
      const nowhere = 'mysql://nobody:x@127.0.0.1:9/nowhere';
      const cut = await site.world.start({
        ...site.settings,
        stores: {
          urlsDbs: site.world.urls.map((server) => ({ ...server, url: nowhere })),
          usersDb: { url: nowhere },
        },
      });
      const key = await site.link({});
      const person = await site.arrive(setting, 'away', { url: cut.url });
      await person.goTo(`/${key}`, 503);
      await person.look('link');
      await person.goTo('/');
      await person.type('Long address', site.elsewhere.url('/later'));
      await person.press('Shorten');
      await person.page.getByRole('alert').first().waitFor();
      await person.look('front');
      await person.goTo('/login');
      await person.type('Email', 'ana@example.com');
      await person.type('Password', PASSWORD);
      await person.press('Sign in');
      await person.page.getByRole('alert').first().waitFor();
      await person.look('sign-in');
      await cut.stop();
    });

    /** Posts a picture of noise. @returns its key */
    async function picture(width: number, height: number): Promise<string> {
      const cookie = await site.people.session(await site.people.person());
      const bytes = randomPng({ width, height });
      const post = async () => {
        const answer = await site.post({ bytes, query: { title: 'A picture of noise' }, cookie });
        // A busy machine has no time for a picture just now.
        return answer.status === 503 ? undefined : answer;
      };
      const posted = await until('a picture', post, { timeoutMs: 30_000 });
      expect(posted.status, posted.text).to.equal(201);
      return String(posted.json()['unique_id']);
    }

    it('see a picture and open its original', async () => {
      const key = await picture(300, 200);
      const person = await site.arrive(setting, 'picture');
      await person.goTo(`/${key}`);
      await person.isAt('A picture of noise');
      await person.look('shown');
      await person.follow('Open the original');
      await person.page.waitForURL(/\/images\//);
    });

    it('see no picture larger than it is, and long ones in a size that can be read', async () => {
      const person = await site.arrive(setting, 'long picture');
      for (const [width, height, shown] of [
        [728, 90, 90],
        [900, 30, 30],
        [4_000, 900, 176],
        [40, 700, 700],
      ] as const) {
        await person.goTo(`/${await picture(width, height)}`);
        const box = await person.page.getByAltText('A picture of noise').boundingBox();
        const of = `${width} × ${height}`;
        expect(box?.width, of).to.be.at.most(width);
        expect(box?.height, of).to.be.within(shown, height);
      }
    });

    it('choose a new password by the link that the operator gave them', async () => {
      const { id, email } = await site.people.person();
      const { text: token, hash } = createToken();
      const now = new Date();
      await site.people.db.resets.create(hash, id, now, new Date(now.getTime() + 60_000));
      const person = await site.arrive(setting, 'reset');
      await person.goTo(`/users/reset?token=${token}`);
      await person.look('asked');
      await person.type('New password', 'qwertyuiop');
      await person.press('Change the password');
      await person.hears('tried first');
      await person.look('too common');
      await person.type('New password', `${PASSWORD} too`);
      await person.press('Change the password');
      await person.isAt('The password has changed');
      await person.sees(email);
      await person.look('changed');
      await person.goTo(`/users/reset?token=${token}`, 404);
      await person.look('used');
    });
  });
