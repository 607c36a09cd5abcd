import { expect } from 'chai';
import type { BrowserContext, Page } from 'playwright-core';
import type { Admin } from '../../runtime/admin.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { startPlayed } from '../runtime/dashboard/played-dashboard.ts';
import { testBrowser } from './chromium.ts';
import { Person } from './person.ts';
import { DESK, PATIENCE } from './setting.ts';

describe('the dashboard in a browser', function () {
  this.timeout(90_000 * PATIENCE);
  let admin: Admin;
  let context: BrowserContext;

  before(async () => {
    admin = await startPlayed();
    context = await (await testBrowser()).newContext({ baseURL: admin.url });
  });

  after(async () => {
    await context.close();
    await admin[Symbol.asyncDispose]();
  });

  const isLive = async (page: Page): Promise<void> => page.locator('#live', { hasText: /^Live$/ }).waitFor();

  for (const [name, wish] of [
    ['colours', { forcedColors: 'active' }],
    ['contrast', { contrast: 'more' }],
  ] as const)
    it(`can be read and used with ${name} of one's own, and keeps still`, async () => {
      await using person = await Person.arrive({
        setting: DESK,
        site: admin.url,
        journey: `dashboard-${name}`,
        context: { ...wish, reducedMotion: 'reduce' },
      });
      await person.goTo('/dashboard');
      await person.type('Admin token', ADMIN_TOKEN);
      await person.press('Sign in');
      await isLive(person.page);
      await person.look('seen', { isWalked: false });
      await person.expectStill();
      await person.expectRings();
      await person.doubleText();
    });

  it('signing out in one tab ends the others, which ask to sign in again and try no more', async () => {
    const page = await context.newPage();
    await page.goto('/dashboard');
    await page.getByLabel('Admin token').fill(ADMIN_TOKEN);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await isLive(page);
    const other = await context.newPage();
    await other.goto('/dashboard');
    await isLive(other);
    await other.getByRole('button', { name: 'Sign out' }).click();
    const again = page.locator('#live').getByRole('link', { name: 'Sign in again' });
    await again.waitFor();
    expect(await page.locator('#live').textContent()).not.to.contain('Trying again');
    await again.click();
    await page.getByLabel('Admin token').waitFor();
  });
});
