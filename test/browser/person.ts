import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { BrowserContext, BrowserContextOptions, CDPSession, Locator, Page } from 'playwright-core';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { until } from '../until.ts';
import { violations } from './axe.ts';
import { testBrowser } from './chromium.ts';
import { Complaints } from './complaints.ts';
import { expectRings, tabTo, walk } from './keyboard.ts';
import { layoutFaults, motions, smallTexts } from './probes.ts';
import { nameOf, PATIENCE, type Setting } from './setting.ts';

const SCREENSHOTS = join(REPOSITORY, '.run/screenshots');
const ACTION_MS = 30_000 * PATIENCE;
/** Chromium's own. */
const USUAL_LETTERS_PX = 16;
/** Elements of a page that a walk by Tab visits. Behind them, a list only repeats itself. */
const WALK = 40;

export interface ArrivalOptions {
  readonly setting: Setting;
  /** The address of the site: scheme, host and port. */
  readonly site: string;
  /** The first part of the names of screenshots. */
  readonly journey: string;
  /** `name=value` of a session, for who is signed in already. */
  readonly cookie?: string;
  readonly context?: BrowserContextOptions;
}

/**
 * A person with a browser of his own: nothing remembered, one window. He knows what he reads (labels, names
 * of buttons and links), not how a page is made.
 */
export class Person implements AsyncDisposable {
  readonly complaints: Complaints;
  readonly setting: Setting;
  readonly context: BrowserContext;
  readonly page: Page;
  readonly #journey: string;
  readonly #devTools: CDPSession;
  #steps = 0;

  private constructor(
    page: Page,
    devTools: CDPSession,
    complaints: Complaints,
    { setting, journey }: Pick<ArrivalOptions, 'setting' | 'journey'>,
  ) {
    this.context = page.context();
    this.page = page;
    this.#devTools = devTools;
    this.complaints = complaints;
    this.setting = setting;
    this.#journey = journey;
  }

  static async arrive(options: ArrivalOptions): Promise<Person> {
    const { setting, site, cookie } = options;
    const browser = await testBrowser();
    const context = await browser.newContext({
      baseURL: site,
      viewport: { width: setting.width, height: setting.width < 600 ? 640 : 900 },
      colorScheme: setting.theme,
      locale: 'en-GB',
      timezoneId: 'Europe/Madrid',
      permissions: ['clipboard-read', 'clipboard-write'],
      ...options.context,
    });
    context.setDefaultTimeout(ACTION_MS);
    const complaints = new Complaints(context, new URL(site).host);
    if (cookie !== undefined) {
      const [name = '', value = ''] = cookie.split('=');
      await context.addCookies([{ name, value, url: site, httpOnly: true, sameSite: 'Lax' }]);
    }
    const page = await context.newPage();
    // Not `javaScriptEnabled`: axe must run in pages whose own scripts do not.
    const devTools = await context.newCDPSession(page);
    if (!setting.hasScript) await devTools.send('Emulation.setScriptExecutionDisabled', { value: true });
    return new Person(page, devTools, complaints, options);
  }

  /** Types an address, and sees that the answer has this status. */
  async goTo(path: string, status = 200): Promise<void> {
    const answer = await this.page.goto(path);
    expect(answer?.status(), path).to.equal(status);
  }

  /** Types into a field, over what is there. */
  async type(label: string | RegExp, text: string): Promise<void> {
    const field = this.page
      .getByLabel(label)
      .and(this.page.locator('input:visible, textarea:visible'))
      .first();
    if (this.setting.hands === 'pointer') {
      await field.fill(text);
      return;
    }
    await tabTo(this.page, field);
    await this.page.keyboard.press('ControlOrMeta+A');
    await this.page.keyboard.insertText(text);
  }

  /** Presses a button. */
  async press(name: string | RegExp): Promise<void> {
    await this.#use(this.page.getByRole('button', { name }).first(), 'Enter');
  }

  /** Follows a link. */
  async follow(name: string | RegExp): Promise<void> {
    await this.#use(this.page.getByRole('link', { name }).first(), 'Enter');
  }

  /** Ticks a box, or chooses one of several. */
  async tick(label: string | RegExp): Promise<void> {
    const box = this.page.getByLabel(label).first();
    if (!(await box.isChecked())) await this.#use(box, ' ');
    expect(await box.isChecked(), `${String(label)} is ticked`).to.equal(true);
  }

  /** Chooses from a list. */
  async choose(label: string | RegExp, option: string): Promise<void> {
    const list = this.page.getByLabel(label).first();
    if (this.setting.hands === 'keyboard') await tabTo(this.page, list);
    await list.selectOption({ label: option });
  }

  /** What is in a field. */
  async reads(label: string): Promise<string> {
    return this.page.getByRole('textbox', { name: label }).inputValue();
  }

  /** Hands a file over. Only the window in which one would choose it is left out. */
  async handOver(label: string, name: string, content: string): Promise<void> {
    const file = { name, mimeType: 'text/plain', buffer: Buffer.from(content) };
    await this.page.getByLabel(label).first().setInputFiles(file);
  }

  /** Asks for the page again until a text is on it. */
  async reloadUntil(text: string | RegExp): Promise<void> {
    await until(`${String(text)} to be on the page`, async () => {
      if ((await this.page.getByText(text).count()) > 0) return true;
      await this.page.reload();
      return false;
    });
  }

  /** Opens a part of the page that can be opened. */
  async open(summary: string | RegExp): Promise<void> {
    const part = this.page.locator('summary').filter({ hasText: summary }).first();
    await this.#use(part, 'Enter');
  }

  async #use(element: Locator, key: string): Promise<void> {
    if (this.setting.hands === 'pointer') {
      await element.click();
      return;
    }
    await element.waitFor();
    await tabTo(this.page, element);
    await this.page.keyboard.press(key);
  }

  /** Waits until a text is on the page. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).and(this.page.locator(':visible')).first().waitFor();
  }

  /** Waits until the heading of the page is this one. */
  async isAt(heading: string | RegExp): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: heading }).waitFor();
  }

  /**
   * Waits until a screen reader has been given this text: it stands in a part of the page that is announced.
   */
  async hears(text: string | RegExp): Promise<void> {
    const live = this.page.locator(
      '[role=status], [role=alert], [role=log], [aria-live]:not([aria-live=off]), output',
    );
    await live.filter({ hasText: text }).first().waitFor();
  }

  /**
   * Looks at the page as it is now: by axe, for faults of the layout, by Tab where hands are on the keyboard,
   * and at what the browser complains of. Keeps a picture under .run/screenshots.
   */
  async look(step: string, { isWalked = true } = {}): Promise<void> {
    this.#steps += 1;
    const where = `at "${step}" (${nameOf(this.setting)})`;
    await this.shoot(`${String(this.#steps).padStart(2, '0')}-${step}`);
    expectNothing(await layoutFaults(this.page), `faults of the layout ${where}`);
    expectNothing(await this.#violations(), `violations that axe finds ${where}`);
    if (isWalked && this.setting.hands === 'keyboard') await walk(this.page, WALK);
    this.complaints.expectNone(where);
  }

  /** Sees that everything on the page shows when it has the focus. */
  async expectRings(): Promise<void> {
    await expectRings(this.page);
  }

  /** Sees that nothing on the page moves by itself, and that nothing takes time to change. */
  async expectStill(): Promise<void> {
    expectNothing(await motions(this.page), 'what moves');
  }

  /** Has the browser make all letters twice as large, and sees that the layout is still whole. */
  async doubleText(): Promise<void> {
    await smallTexts(this.page);
    // The setting of the browser, not a style: the page's widths in `rem` follow only the former.
    await this.#devTools.send('Page.setFontSizes', { fontSizes: { standard: 2 * USUAL_LETTERS_PX } });
    expectNothing(await smallTexts(this.page), 'elements whose letters stay small');
    expectNothing(await layoutFaults(this.page), 'faults of the layout with text of 200 %');
  }

  async usualText(): Promise<void> {
    await this.#devTools.send('Page.setFontSizes', { fontSizes: { standard: USUAL_LETTERS_PX } });
  }

  /** Keeps a picture of the whole page, or of what is in the window. */
  async shoot(name: string, { isWhole = true } = {}): Promise<void> {
    const folder = join(SCREENSHOTS, nameOf(this.setting));
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${this.#journey}-${name.replaceAll(/\W+/g, '-')}.png`);
    // Not by Playwright, which changes the window for it, and takes three times as long. On a busy machine
    // Chromium says at times that it cannot.
    const { data } = await until('a picture', async () =>
      this.#devTools.send('Page.captureScreenshot', {
        captureBeyondViewport: isWhole,
        optimizeForSpeed: true,
      }),
    );
    await writeFile(path, data, 'base64');
  }

  async #violations(): Promise<string[]> {
    const { hasScript } = this.setting;
    if (!hasScript) await this.#devTools.send('Emulation.setScriptExecutionDisabled', { value: false });
    const found = await violations(this.page);
    if (!hasScript) await this.#devTools.send('Emulation.setScriptExecutionDisabled', { value: true });
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}

/** Says what was found: chai would only count it. */
function expectNothing(found: readonly string[], what: string): void {
  expect(found, `${what}:\n  ${found.join('\n  ')}\n`).to.have.length(0);
}
