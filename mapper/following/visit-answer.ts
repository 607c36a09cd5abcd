import type { LinkRules } from '../../db/urls/link-rules.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { isGuarded, type RedirectStatus } from './judge-visit.ts';

const REASONS: Readonly<Record<RedirectStatus, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
};

/** A redirect that obeys the rules of its link. Its headers are those of a plain one, and then its own. */
export function redirectAnswer(
  { status, location }: { readonly status: RedirectStatus; readonly location: string },
  rules: LinkRules,
  countryHeader: string | undefined,
): PreparedAnswer {
  const headers = ['X-Request-Id', '', 'Content-Length', '0', 'Location', location];
  // A browser that kept a redirect would miss edits, expiry and the count of clicks: also a permanent one.
  headers.push('Cache-Control', isGuarded(rules) ? 'no-store' : 'private, max-age=0');
  const varying = varyOf(rules, countryHeader);
  if (varying.length > 0) headers.push('Vary', varying.join(', '));
  if (rules.noindex === true) headers.push('X-Robots-Tag', 'noindex');
  return { status, reason: REASONS[status], headers, body: '' };
}

/** The headers of a request on which the target depends. */
export function varyOf({ targets = [] }: LinkRules, countryHeader: string | undefined): string[] {
  const has = (dimension: 'device' | 'country' | 'language'): boolean =>
    targets.some(({ when }) => when[dimension] !== undefined);
  return [
    ...(has('device') ? ['User-Agent'] : []),
    ...(has('language') ? ['Accept-Language'] : []),
    ...(has('country') && countryHeader !== undefined ? [countryHeader] : []),
  ];
}

/** The link is there: for HEAD of a link whose target is hidden. */
export function silentAnswer(): PreparedAnswer {
  const headers = ['X-Request-Id', '', 'Content-Length', '0', 'Cache-Control', 'no-store'];
  return { status: 200, reason: 'OK', headers, body: '' };
}
