import type { LinkRules } from '../../db/urls/link-rules.ts';
import { escapeHtml } from '../http/html.ts';
import { toPage } from '../http/page.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { pageAnswer } from '../http/problem-page.ts';

export interface Preview {
  readonly key: string;
  readonly shortUrl: string;
  /** Where this visitor would be led. Undefined: that is not shown. */
  readonly location: string | undefined;
  readonly rules: LinkRules;
  /** The headers of the request on which the answer depends. */
  readonly varying: readonly string[];
}

/** `/{key}+`: where a link leads, without going there. A page for people, JSON for programs. */
export function previewAnswer(preview: Preview, isForPeople: boolean): PreparedAnswer {
  const { varying, rules } = preview;
  const headers = {
    Vary: varying.join(', '),
    ...(rules.noindex === true && { 'X-Robots-Tag': 'noindex' }),
  };
  if (isForPeople) return pageAnswer({ status: 200, reason: 'OK', body: toHtml(preview), headers });
  const body = JSON.stringify(toJson(preview));
  const lines = Object.entries({ 'Cache-Control': 'no-store', ...headers });
  lines.push(['Content-Type', 'application/json; charset=utf-8']);
  lines.push(['Content-Length', String(Buffer.byteLength(body))]);
  return { status: 200, reason: 'OK', headers: ['X-Request-Id', '', ...lines.flat()], body };
}

function toJson({ key, shortUrl, location, rules }: Preview): Record<string, unknown> {
  return {
    unique_id: key,
    short_url: shortUrl,
    long_url: location ?? null,
    has_password: rules.passwordHash !== undefined,
    has_max_visits: rules.maxVisits !== undefined,
    ...(rules.image !== undefined && { image_type: `image/${rules.image.type}` }),
  };
}

/** The target is text and no link: who reads it decides by himself whether to go there. */
function toHtml({ shortUrl, location, rules }: Preview): string {
  const what = rules.image === undefined ? 'leads to' : 'shows a picture, which is at';
  const leads =
    location === undefined
      ? `<p>Where <strong>${escapeHtml(shortUrl)}</strong> leads is shown only to those who follow it.</p>`
      : `<p><strong>${escapeHtml(shortUrl)}</strong> ${what}:</p>
      <p><code>${escapeHtml(location)}</code></p>`;
  const password = rules.passwordHash === undefined ? '' : '<p>It asks for a password.</p>';
  const visits = rules.maxVisits === undefined ? '' : '<p>It can be followed a limited number of times.</p>';
  const go = `<p><a href="${escapeHtml(shortUrl)}" rel="nofollow">Follow the short link</a></p>`;
  return toPage('Where this link leads', [leads, password, visits, go].filter(Boolean).join('\n      '));
}
