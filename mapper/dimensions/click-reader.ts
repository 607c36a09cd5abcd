import type { ClickSender, RawClick } from '../clicks/click-ring.ts';
import { labelOf, type Label, type Resolved } from '../clicks/resolved-click.ts';
import { NO_VALUE } from '../../db/clicks/dimensions.ts';
import { HOUR_MS } from '../../db/clicks/click-flush.ts';
import { dayOf } from '../../db/clicks/sql-times.ts';
import { HeadReader } from '../http/raw-head.ts';
import { readCountry } from '../following/visitor.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { Languages } from './languages.ts';
import { Referrers } from './referrers.ts';
import { UserAgents } from './user-agents.ts';
import type { VisitorHash } from './visitor-hash.ts';

export interface ClickReaderOptions {
  /** In lower case: where proxies of ours say the country of a visitor. Undefined: they do not. */
  readonly countryHeader: string | undefined;
  /** The country of an address; undefined: not known. */
  readonly countryAt: (address: string) => string | undefined;
  /** The address for which a request counts. Undefined: not known. */
  readonly clientOf: (sender: ClickSender, forwardedFor: string | undefined) => string | undefined;
  /** @param day full days since 1970 in UTC */
  readonly hashOf: (day: number) => VisitorHash;
}

/** There are fewer. */
const MAX_COUNTRIES = 300;

/** Reads what the headers of a click say about it. Nothing that identifies a visitor is given further. */
export class ClickReader {
  readonly #options: ClickReaderOptions;
  readonly #heads: HeadReader;
  readonly #agents = new UserAgents();
  readonly #referrers = new Referrers();
  readonly #languages = new Languages();
  readonly #countries = new BoundedCache<Label>(MAX_COUNTRIES);

  constructor(options: ClickReaderOptions) {
    this.#options = options;
    const { countryHeader } = options;
    this.#heads = new HeadReader([...NAMES, ...(countryHeader === undefined ? [] : [countryHeader])]);
  }

  /** Never throws. */
  resolve({ atMs, head, headStart, sender }: RawClick): Resolved {
    const { clientOf, hashOf } = this.#options;
    const [userAgent, referer, language, doNotTrack, privacy, forwardedFor, country] = this.#heads.read(
      head,
      headStart,
    );
    const { agent, digest } = this.#agents.of(userAgent);
    const { isBot, browser, os, device } = agent;
    if (isOne(doNotTrack) || isOne(privacy)) return { isBot, labels: [], visitor: undefined };
    const address = sender === undefined ? undefined : clientOf(sender, forwardedFor);
    const isCounted = address !== undefined && !isBot;
    return {
      isBot,
      labels: [
        this.#referrers.of(referer),
        this.#country(sender?.isProxy === true ? country : undefined, address),
        this.#languages.of(language),
        browser,
        os,
        device,
      ],
      visitor: isCounted ? hashOf(dayOf(Math.floor(atMs / HOUR_MS))).of(digest, address) : undefined,
    };
  }

  #country(said: string | undefined, address: string | undefined): Label {
    const country =
      readCountry(said) ?? readCountry(address === undefined ? undefined : this.#options.countryAt(address));
    if (country === undefined) return NO_COUNTRY;
    const known = this.#countries.get(country);
    if (known !== undefined) return known;
    const label = labelOf('country', country);
    this.#countries.set(country, label);
    return label;
  }
}

/**
 * Whether a header, or one of several with this name, says 1. A browser and a proxy in front of it may both
 * send one. A visitor who does not want to be tracked once does not want it at all.
 */
function isOne(header: string | undefined): boolean {
  return header === '1' || (header !== undefined && LISTED_ONE.test(header));
}

const LISTED_ONE = /(?:^|,)[ \t]*1[ \t]*(?:,|$)/;

/** Their order is that of the values which `resolve` reads. The country follows. */
const NAMES = ['user-agent', 'referer', 'accept-language', 'dnt', 'sec-gpc', 'x-forwarded-for'];

const NO_COUNTRY = labelOf('country', NO_VALUE);
