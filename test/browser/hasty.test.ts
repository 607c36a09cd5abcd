import { expect } from 'chai';
import { storeClicks } from '../mapper/api/counted-clicks.ts';
import { PASSWORD } from '../mapper/api/people.ts';
import type { Person } from './person.ts';
import { DESK, PATIENCE } from './setting.ts';
import { useSite } from './use-site.ts';

/** Between the two clicks of a person: the first one has sent the form, and has no answer yet. */
const CLICKS_APART_MS = 60;

describe('who is in a hurry', function () {
  this.timeout(120_000 * PATIENCE);
  const site = useSite();

  /** Clicks twice, and waits for the page to which the form leads. */
  async function clickTwice({ page }: Person, name: string, to: RegExp): Promise<void> {
    const button = page.getByRole('button', { name, exact: true });
    await button.dblclick({ delay: CLICKS_APART_MS, noWaitAfter: true });
    await page.waitForURL(to);
  }

  it('and clicks twice has done it once: an account is not taken by himself, and no change is another’s', async () => {
    const person = await site.arrive(DESK, 'hasty');
    await person.goTo('/signup');
    await person.type('Email', `hasty-${process.pid}@example.com`);
    await person.type('Password', PASSWORD);
    await clickTwice(person, 'Make the account', /\/urls$/);
    await person.goTo('/urls/-/new');
    await person.type('Target', site.elsewhere.url('/'));
    await clickTwice(person, 'Make the link', /done=made/);
    await person.type('Title', 'Changed in a hurry');
    await clickTwice(person, 'Save', /done=saved/);
    await person.hears('Saved.');
  });

  it('and sends a wrong form from far below a page sees what is wrong with it', async () => {
    const cookie = await site.people.session(await site.people.person());
    const person = await site.arrive({ ...DESK, width: 320 }, 'hasty', { cookie });
    await person.goTo(`/urls/${await site.link({ title: 'A' }, cookie)}`);
    await person.type('Target', 'no address');
    await person.press('Save');
    const fault = person.page.getByRole('alert');
    await fault.waitFor();
    expect(await fault.evaluate((element) => element.matches(':focus'))).to.equal(true);
    const { y = -1, height = 0 } = (await fault.boundingBox()) ?? {};
    expect([y >= 0, y + height <= (person.page.viewportSize()?.height ?? 0)]).to.deep.equal([true, true]);
    await person.press('Save');
    await person.isAt('A');
  });

  it('reads long texts to their end: a report, and the name of a host', async () => {
    const [key, host] = [await site.link({}), `${'a-long-name.'.repeat(12)}example`];
    const reason = `${'This shop cheats. '.repeat(30)}That is all.`;
    await site.api.call('POST', `/urls/${key}/report`, { body: { reason } });
    const admin = await site.people.session(await site.people.person({ isAdmin: true }));
    const reader = await site.arrive({ ...DESK, width: 320 }, 'hasty', { cookie: admin });
    await reader.goTo(`/admin/reports?unique_id=${key}`);
    expect(await isWhole(reader, 'That is all.')).to.equal(true);

    const cookie = await site.people.session(await site.people.person());
    const owner = await site.arrive({ ...DESK, width: 320 }, 'hasty', { cookie });
    const link = await site.link({}, cookie);
    const day = new Date().toISOString().slice(0, 10);
    const values = [['referrer', day, host, 5, 1] as const];
    await storeClicks(site.world, { key: link }, { hours: { [`${day} 00:00:00`]: [5, 1] }, values });
    await owner.goTo(`/urls/${link}?by=referrer`);
    expect(await isWhole(owner, 'a-long-name')).to.equal(true);
  });

  /** Whether nothing of a text is cut off. */
  async function isWhole({ page }: Person, text: string): Promise<boolean> {
    const element = page.locator('bdi').filter({ hasText: text }).first();
    return element.evaluate(({ scrollHeight, clientHeight, parentElement }) =>
      clientHeight === 0
        ? (parentElement?.scrollHeight ?? 0) <= (parentElement?.clientHeight ?? 0)
        : scrollHeight <= clientHeight,
    );
  }
});
