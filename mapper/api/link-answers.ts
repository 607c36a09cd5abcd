import type { OwnLink } from '../../db/own-links/own-link.ts';
import { NO_CLICKS, type ClickSums } from '../../db/own-links/read-links.ts';
import { Problem, type FieldError } from '../http/problem.ts';
import { etagOf } from '../links/etag.ts';
import type { Announced, OwnLinks } from '../links/own-links.ts';
import { toWholeLink, type WholeLink } from '../shorten/whole-link.ts';
import { ask, lagOf } from './link-problems.ts';

/** A link as it is answered, and its entity tag. */
export interface AnsweredLink<Body = WholeLink> {
  readonly body: Body & { readonly warnings?: FieldError[] };
  readonly etag: string;
}

const CHANGED_BUT_NOT_READ =
  'The link is changed. How often it was followed cannot be read just now; read the link again.';

/** Makes answers of links: each with its short URL and how often it was followed. */
export class LinkAnswers {
  readonly #own: Pick<OwnLinks, 'clicksOf'>;
  readonly #publicUrl: string;

  /** @param publicUrl origin of short URLs, without a slash at the end */
  constructor(own: Pick<OwnLinks, 'clicksOf'>, publicUrl: string) {
    this.#own = own;
    this.#publicUrl = publicUrl;
  }

  /** @throws Problem 503 */
  async one(link: OwnLink): Promise<AnsweredLink> {
    const clicks = await ask(async () => this.#own.clicksOf([link]));
    return { body: this.#toWhole(link, clicks), etag: etagOf(link) };
  }

  /** After a change, with a warning when some mappers have not heard of it. @throws Problem 503 */
  async changed(link: OwnLink, announced: Announced | undefined): Promise<AnsweredLink> {
    const { body, etag } = await this.one(link).catch((cause: unknown) => {
      throw new Problem('store-down', { detail: CHANGED_BUT_NOT_READ, cause });
    });
    const lag = lagOf(announced);
    return { body: lag === undefined ? body : { ...body, warnings: [lag] }, etag };
  }

  /** Like {@link changed}, for many links. @throws Problem 503 */
  async manyChanged(
    changes: readonly { readonly link: OwnLink; readonly announced: Announced | undefined }[],
  ): Promise<AnsweredLink['body'][]> {
    const bodies = await this.many(changes.map(({ link }) => link)).catch((cause: unknown) => {
      throw new Problem('store-down', { detail: CHANGED_BUT_NOT_READ, cause });
    });
    return bodies.map((body, index) => {
      const lag = lagOf(changes[index]?.announced);
      return lag === undefined ? body : { ...body, warnings: [lag] };
    });
  }

  /** @throws Problem 503 */
  async many(links: readonly OwnLink[]): Promise<WholeLink[]> {
    const clicks = await ask(async () => this.#own.clicksOf(links));
    return links.map((link) => this.#toWhole(link, clicks));
  }

  #toWhole(link: OwnLink, clicks: ReadonlyMap<string, ClickSums>): WholeLink {
    return toWholeLink(link, `${this.#publicUrl}/${link.key}`, clicks.get(link.key) ?? NO_CLICKS);
  }
}

/** Said when some mappers have not heard of a change whose answer has no body. */
export function lagHeader(lagMs: number): { headers?: Record<string, string> } {
  return lagMs === 0 ? {} : { headers: { 'X-Others-May-Lag': String(Math.ceil(lagMs / 1_000)) } };
}
