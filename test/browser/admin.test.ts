import { expect } from 'chai';
import { send } from '../mapper/client.ts';
import { DESK, nameOf, PATIENCE, SETTINGS } from './setting.ts';
import { useSite } from './use-site.ts';

for (const setting of SETTINGS)
  describe(`an administrator (${nameOf(setting)})`, function () {
    this.timeout(120_000 * PATIENCE);
    const site = useSite();

    it('reads a report, blocks the link, lets it be followed again, and shuts out its owner', async () => {
      const { email, ...owner } = await site.people.person();
      const key = await site.link({ title: 'A shop' }, await site.people.session({ email, ...owner }));
      await site.api.call('POST', `/urls/${key}/report`, { body: { reason: 'This shop cheats.' } });
      const status = async (): Promise<number> => (await send('GET', `${site.mapper.url}/${key}`)).status;
      const cookie = await site.people.session(await site.people.person({ isAdmin: true }));
      const person = await site.arrive(setting, 'admin', { cookie });
      const walked = { isWalked: setting.width === DESK.width };

      await person.goTo('/urls');
      await person.follow('Administration');
      await person.isAt('Administration');
      await person.follow(/^Reports/);
      await person.type('Key of a link', key);
      await person.press('Search');
      await person.sees('This shop cheats.');
      await person.look('report', walked);

      await person.follow(key);
      await person.type('Reason', 'It cheats.');
      await person.press('Block');
      await person.hears('Blocked.');
      await person.look('blocked', walked);
      expect(await status()).to.equal(410);
      await person.press('Let it be followed');
      await person.hears('as it was before');
      expect(await status()).to.equal(302);

      await person.follow(/^Users/);
      await person.type('Email begins with', email);
      await person.press('Search');
      await person.press(`Disable: ${email}`);
      await person.hears('The user is disabled.');
      await person.look('user disabled', walked);
      await person.press(`Let in again: ${email}`);
      await person.hears('may come in again');

      const shop = `shop-${setting.width}.example`;
      await person.follow('Blocked domains');
      await person.type('Is this domain blocked?', 'shop.example');
      await person.press('Ask');
      await person.sees('Links to shop.example are allowed.');
      await person.type('Domain', 'no domain');
      await person.press(/^Block$/);
      await person.sees('must be a domain');
      await person.type('Domain', shop);
      await person.type('Why', 'It sells nothing.');
      await person.press(/^Block$/);
      await person.hears('The domain is blocked.');
      await person.look('domain blocked', walked);
      await person.press(`Unblock ${shop}`);
      await person.hears('not in the list any more');
      await person.follow('Asked in vain');
      await person.choose('State', 'Expired');
      await person.press('Show');
      await person.isAt('Administration');
      await person.look('asked in vain', walked);
    });
  });
