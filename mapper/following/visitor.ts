import { COUNTRY_CODES } from '../../db/urls/country-codes.ts';
import type { Device } from '../../db/urls/link-rules.ts';
import type { RequestFacts } from '../http/request-facts.ts';
import { isPrefetch } from '../redirect/prefetch.ts';
import { deviceOf } from './device.ts';
import { parseLanguages, type LanguageRange } from './language.ts';
import { isPreviewBot } from './preview-bots.ts';

/** What a visit depends on besides the link and the time. */
export interface Visitor {
  readonly method: string | undefined;
  /** He asks where the link leads. */
  readonly isPreview: boolean;
  /** What follows `?` in the target of his request. */
  readonly query: string | undefined;
  readonly device: Device | undefined;
  /** ISO 3166-1, two capital letters. Undefined: not known. */
  readonly country: string | undefined;
  /** The most wanted first. */
  readonly languages: readonly LanguageRange[];
  /** A program that makes a preview of a message. */
  readonly isPreviewBot: boolean;
  /** A browser that fetches the link before anybody follows it. */
  readonly isPrefetch: boolean;
}

/** Finds out from which country a request comes. */
export type FindCountry = (request: RequestFacts) => string | undefined;

/** The visitor behind a request. Each header is read only when a rule asks for it. */
export function visitorOf(request: RequestFacts, isPreview: boolean, findCountry: FindCountry): Visitor {
  const userAgent = (): string | undefined => request.header('user-agent');
  return {
    method: request.method,
    isPreview,
    query: request.query,
    get device() {
      return deviceOf(userAgent());
    },
    get country() {
      return findCountry(request);
    },
    get languages() {
      return parseLanguages(request.header('accept-language'));
    },
    get isPreviewBot() {
      return isPreviewBot(userAgent());
    },
    get isPrefetch() {
      return isPrefetch((name) => request.header(name));
    },
  };
}

export interface FindCountryOptions {
  /** In lower case: the header in which proxies of ours say it. Undefined: they do not. */
  readonly header: string | undefined;
  /** Whether a connection comes from such a proxy. Others could send what they like. */
  readonly isProxy: (peer: RequestFacts['peer']) => boolean;
  /** The country by the address of the client, where no proxy has said it. */
  readonly countryOf: (request: RequestFacts) => string | undefined;
}

/** Reads the country from a header that proxies of ours set, or finds it by the address. */
export function createFindCountry({ header, isProxy, countryOf }: FindCountryOptions): FindCountry {
  return (request) => {
    const said = header !== undefined && isProxy(request.peer) ? request.header(header) : undefined;
    return readCountry(said) ?? readCountry(countryOf(request));
  };
}

/** @returns two capital letters; undefined: it is no country, as XX, T1 and EU are none */
export function readCountry(said: string | undefined): string | undefined {
  const country = said?.trim().toUpperCase();
  return country !== undefined && COUNTRY_CODES.has(country) ? country : undefined;
}
