import { expect } from 'chai';
import type { BrowserContext, ConsoleMessage, Page, Request, Response } from 'playwright-core';

/** Chromium says this of every answer from 400 on; {@link Complaints} judges those by themselves. */
const FAILED_LOAD = /^Failed to load resource: the server responded with a status of /;
/** The page was left, or a stream was ended, before the answer was complete. */
const LEFT = 'net::ERR_ABORTED';

/**
 * What a browser complains of: errors and warnings on the console, refusals by a policy (they are on the
 * console too), errors of scripts, parts of pages that are missing, and requests to other hosts.
 */
export class Complaints {
  readonly #hosts: Set<string>;
  readonly #found: string[] = [];

  /** @param host of the site, with its port: the only one from which pages may load something */
  constructor(context: BrowserContext, host: string) {
    this.#hosts = new Set([host]);
    context.on('page', (page) => this.#watch(page));
    context.on('request', (request) => this.#judgeRequest(request));
    context.on('response', (response) => this.#judgeResponse(response));
    context.on('requestfailed', (request) => {
      const { errorText = '' } = request.failure() ?? {};
      if (errorText !== LEFT) this.#found.push(`${request.url()}: ${errorText}`);
    });
  }

  /** From now on people may be led to this site. Pages still may not load anything from it. */
  allowVisits(host: string): void {
    this.#hosts.add(host);
  }

  /** @throws AssertionError with everything since the last call */
  expectNone(where: string): void {
    const found = this.#found.splice(0);
    expect(found, `complaints of the browser ${where}:\n  ${found.join('\n  ')}\n`).to.have.length(0);
  }

  /** For tests of what a browser refuses. @returns everything since the last call */
  take(): string[] {
    return this.#found.splice(0);
  }

  #watch(page: Page): void {
    page.on('console', (message) => this.#judgeMessage(message));
    page.on('pageerror', (error) => this.#found.push(`error of a script: ${error.message}`));
  }

  #judgeMessage(message: ConsoleMessage): void {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (FAILED_LOAD.test(message.text())) return;
    this.#found.push(`console: ${message.text()} (${message.location().url})`);
  }

  #judgeRequest(request: Request): void {
    const { protocol, host } = new URL(request.url());
    if (protocol === 'data:' || protocol === 'blob:') return;
    const [own] = this.#hosts;
    const isFine = request.isNavigationRequest() ? this.#hosts.has(host) : host === own;
    if (!isFine) this.#found.push(`request to another host: ${request.url()}`);
  }

  /** The status of a page is expected by the test; that of a part is right for all. */
  #judgeResponse(response: Response): void {
    const isPart = !response.request().isNavigationRequest();
    if (isPart && response.status() >= 400) this.#found.push(`${response.status()} for ${response.url()}`);
  }
}
