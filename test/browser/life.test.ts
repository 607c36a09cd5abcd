import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { IS_LONG } from '../long.ts';
import { PASSWORD } from '../mapper/api/people.ts';
import { send } from '../mapper/client.ts';
import type { Person } from './person.ts';
import { nameOf, PATIENCE, SETTINGS } from './setting.ts';
import { useSite } from './use-site.ts';

const BROWSER =
  'Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36';

/** places.test.ts goes by Tab through these pages. */
const WALKED_AMONG_PLACES = { isWalked: IS_LONG };

for (const setting of SETTINGS)
  describe(`somebody who comes for the first time (${nameOf(setting)})`, function () {
    this.timeout(180_000 * PATIENCE);
    const site = useSite();

    it('shortens, signs up, keeps links, looks who follows them, and leaves', async () => {
      const person = await site.arrive(setting, 'life');
      const email = `ana-${nameOf(setting)}@example.com`;
      await shortens(person);
      await signsUp(person, email);
      const key = await makesLink(person);
      await changesIt(person);
      await seesWhoFollows(person, key);
      await keepsOrder(person, key);
      await makesKey(person);
      await imports(person);
      await exports(person, key);
      await deletesAndRestores(person, key);
      await leaves(person, email);
    });

    async function shortens(person: Person): Promise<void> {
      await person.goTo('/');
      await person.look('front', WALKED_AMONG_PLACES);
      await person.type('Long address', site.elsewhere.url('/first'));
      await person.press('Shorten');
      await person.isAt('Your short link');
      await person.look('made');
      const shortUrl = await person.reads('Short link');
      if (setting.hasScript) {
        await person.press('Copy');
        await person.hears('Copied');
        expect(await person.page.evaluate('navigator.clipboard.readText()')).to.equal(shortUrl);
      }
      await person.goTo(shortUrl);
      await person.isAt('You have arrived');
    }

    async function signsUp(person: Person, email: string): Promise<void> {
      await person.goTo('/');
      await person.follow('Sign up');
      await person.isAt('Sign up');
      await person.type('Email', email);
      await person.type('Password', 'qwertyuiop');
      await person.press('Make the account');
      await person.hears('tried first');
      await person.look('password too common');
      await person.type('Password', PASSWORD);
      await person.press('Make the account');
      await person.isAt('My links');
      await person.sees('You have no links yet');
      await person.look('no links');
    }

    async function makesLink(person: Person): Promise<string> {
      await person.follow('Make the first');
      await person.isAt('New link');
      await person.type('Target', 'not an address');
      await person.press('Make the link');
      await person.hears('Please mend this');
      await person.look('target is no address');
      await person.type('Target', site.elsewhere.url('/kept'));
      await person.type('Title', 'The first one');
      await person.press('Make the link');
      await person.hears('The link is made');
      await person.look('link made');
      return (await person.reads('Short URL')).split('/').at(-1) ?? '';
    }

    async function changesIt(person: Person): Promise<void> {
      await person.type('Title', 'A better name');
      await person.press('Save');
      await person.hears('Saved');
      await person.isAt('A better name');
    }

    async function seesWhoFollows(person: Person, key: string): Promise<void> {
      if (setting.hasScript) await person.hears('Waiting for clicks');
      const answer = await send('GET', `${site.mapper.url}/${key}`, { headers: { 'user-agent': BROWSER } });
      expect(answer.status).to.equal(302);
      if (setting.hasScript) await person.hears(/somebody.*Chrome/);
      await person.reloadUntil(/1 by people/);
      await person.look('followed once', WALKED_AMONG_PLACES);
    }

    async function keepsOrder(person: Person, key: string): Promise<void> {
      await person.follow('My links');
      await person.isAt('My links');
      await person.type('Search', 'better');
      await person.press('Search');
      await person.sees('A better name');
      await person.tick(`Choose ${key}`);
      await person.type(/^Tag/, 'kept');
      await person.press('Add tags');
      await person.hears('1 link got the tag');
      await person.look('tagged');
    }

    async function makesKey(person: Person): Promise<void> {
      await person.follow('Settings');
      await person.follow('API keys');
      await person.type('Name', 'build server');
      await person.tick('links:create');
      await person.press('Make the key');
      await person.hears('shown only now');
      await person.look('key made');
      const key = await person.reads('API key');
      const made = await site.api.call('POST', '/urls', {
        key,
        body: { long_url: 'https://example.com/by-key' },
      });
      expect(made.status).to.equal(201);
    }

    async function imports(person: Person): Promise<void> {
      await person.follow('My links');
      await person.follow('Import');
      await person.isAt('Import links');
      const code = `brought-${nameOf(setting)}`;
      const file = `code,url,title\n${code},https://example.com/old,Brought along\nwrong,no address,\n`;
      await person.handOver('File', 'links.csv', file);
      await person.press('Import');
      await person.isAt(/^The import/);
      // slow-import.test.ts waits for the script, which asks every five seconds.
      await person.reloadUntil(/^The import is done$/);
      await person.isAt(/is done$/);
      await person.sees('no address');
      await person.look('imported', WALKED_AMONG_PLACES);
    }

    async function exports(person: Person, key: string): Promise<void> {
      await person.goTo('/urls');
      await person.sees('Brought along');
      await person.look('my links', WALKED_AMONG_PLACES);
      const [download] = await Promise.all([person.page.waitForEvent('download'), person.follow('CSV')]);
      const text = await readFile(await download.path(), 'utf8');
      for (const part of [key, 'A better name', 'Brought along']) expect(text).to.include(part);
    }

    async function deletesAndRestores(person: Person, key: string): Promise<void> {
      await person.goTo(`/urls/${key}`);
      await person.press('Delete');
      await person.hears('Deleted.');
      await person.look('deleted', WALKED_AMONG_PLACES);
      expect((await send('GET', `${site.mapper.url}/${key}`)).status).to.equal(410);
      await person.press('Restore');
      await person.hears('Restored.');
      expect((await send('GET', `${site.mapper.url}/${key}`)).status).to.equal(302);
      await person.follow('My links');
      await person.tick(`Choose brought-${nameOf(setting)}`);
      await person.press('Delete');
      await person.hears('1 link deleted');
      expect(await person.page.getByText('Brought along').count()).to.equal(0);
    }

    async function leaves(person: Person, email: string): Promise<void> {
      await person.press('Sign out');
      await person.isAt('Sign in');
      await person.goTo('/settings/delete');
      await person.isAt('Sign in');
      await person.type('Email', email);
      await person.type('Password', 'a wrong password');
      await person.press('Sign in');
      await person.page.getByRole('alert').first().waitFor();
      await person.look('wrong password');
      await person.type('Password', PASSWORD);
      await person.press('Sign in');
      await person.isAt('Settings');
      await person.look('leaving', WALKED_AMONG_PLACES);
      await person.tick('Delete my links too');
      await person.type('Password', PASSWORD);
      await person.press('Delete my account');
      await person.hears('Your account is deleted');
      await person.look('gone');
    }
  });
