import { whyNoHost } from '../why-no-host.ts';
import type { Env } from './env.ts';

export interface FollowingConfig {
  /** Where `/` leads. Undefined: to the front page. */
  readonly rootUrl?: string | undefined;
  /** Where a browser is sent that asks for a link that does not exist. Undefined: it gets a page. */
  readonly notFoundUrl?: string | undefined;
  /** In which trusted proxies say the country of a visitor, as it was configured. Undefined: none says it. */
  readonly countryHeader?: string | undefined;
  /** File of addresses and their countries. Undefined: there is none. */
  readonly countryFile?: string | undefined;
  /** Whether `/docs/style` shows the parts of which pages are made. */
  readonly hasStylePage?: boolean;
}

export function readFollowing(env: Env): FollowingConfig {
  return {
    rootUrl: readUrl(env, 'ROOT_URL'),
    notFoundUrl: readUrl(env, 'NOT_FOUND_URL'),
    countryHeader: readCountryHeader(env),
    countryFile: env.find('COUNTRY_FILE'),
    hasStylePage: env.boolean('STYLE_PAGE', false),
  };
}

function readUrl(env: Env, name: 'ROOT_URL' | 'NOT_FOUND_URL'): string | undefined {
  const value = env.find(name);
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  const isWeb = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  const why = url === null || !isWeb ? undefined : whyNoHost(url);
  if (!isWeb || why !== undefined)
    env.fault(
      name,
      'an http or https URL without user and password, such as https://example.com/' +
        (why === undefined ? '' : `; it ${why}`),
    );
  return url?.href;
}

/** Without a trusted proxy nobody would be believed, and every visitor would be from nowhere. */
function readCountryHeader(env: Env): string | undefined {
  const value = env.find('COUNTRY_HEADER');
  if (value === undefined) return undefined;
  if (!/^[A-Za-z][A-Za-z0-9-]{0,63}$/.test(value))
    env.fault('COUNTRY_HEADER', 'the name of a header, such as CF-IPCountry: letters, digits and -');
  else if (env.find('TRUSTED_PROXIES') === undefined)
    env.fault('COUNTRY_HEADER', 'used with KEYMILL_TRUSTED_PROXIES: only these proxies are believed');
  return value;
}
