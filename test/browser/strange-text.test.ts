import { expect } from 'chai';
import { storeClicks } from '../mapper/api/counted-clicks.ts';
import { nameOf, PATIENCE, SETTINGS } from './setting.ts';
import { useSite } from './use-site.ts';

const MARKUP = `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script></title>"'&amp;`;
/** Turns all that follows around, in a page that does not end it. */
const BIDI = '\u202Efdp.exe\u2066 \u05E9\u05DC\u05D5\u05DD \u200F';
const LONG = 'Donaudampfschifffahrtsgesellschaft'.repeat(6).slice(0, 200);
/** More characters than any field of a link takes. */
const TEN_THOUSAND = 'a'.repeat(10_000);

const TITLES = [MARKUP.slice(0, 200), BIDI, LONG];

for (const setting of SETTINGS)
  describe(`texts of strangers (${nameOf(setting)})`, function () {
    this.timeout(120_000 * PATIENCE);
    const site = useSite();

    it('are shown as text, and leave the layout whole', async () => {
      const account = await site.people.person();
      const cookie = await site.people.session(account, { endsInMs: 600_000 });
      const person = await site.arrive(setting, 'strange', { cookie });
      const day = new Date().toISOString().slice(0, 10);
      for (const [index, title] of TITLES.entries()) {
        const path = encodeURI(MARKUP).padEnd(1_800, 'x');
        const key = await site.link(
          { title, tags: [title.slice(0, 50)], long_url: `https://example.com/${path}` },
          cookie,
        );
        // Values are stored as ASCII, so nothing in them turns around.
        const values = [MARKUP.slice(0, 60), LONG].map((value) => ['referrer', day, value, 5, 1] as const);
        await storeClicks(site.world, { key }, { hours: { [`${day} 00:00:00`]: [15, 3] }, values });
        await person.goTo(`/urls/${key}`);
        await person.sees(title);
        await person.look(`link ${index + 1}`, { isWalked: false });
        await person.goTo(`/${key}+`);
        await person.look(`preview ${index + 1}`, { isWalked: false });
      }
      await person.goTo('/urls');
      for (const title of TITLES) await person.sees(title);
      await person.look('list', { isWalked: false });
      expect(await person.page.title()).not.to.include('hacked');
    });

    it('of 10,000 characters are refused with the name of the field, and the page stays whole', async () => {
      const cookie = await site.people.session(await site.people.person(), { endsInMs: 600_000 });
      const person = await site.arrive(setting, 'strange', { cookie });
      await person.goTo('/');
      await person.type('Long address', `https://example.com/${TEN_THOUSAND}`);
      await person.press('Shorten');
      await person.hears('Long address');
      await person.look('long address', { isWalked: false });
      await person.goTo(`/urls?q=${TEN_THOUSAND.slice(0, 4_000)}`, 422);
      await person.look('long search', { isWalked: false });
      await person.goTo('/settings/webhooks');
      await person.type('Address', `https://example.com/${TEN_THOUSAND}`);
      await person.press('Make the webhook');
      await person.hears('Address');
      await person.look('long webhook', { isWalked: false });
    });
  });
