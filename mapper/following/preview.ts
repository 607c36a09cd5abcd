import type { LinkRules } from '../../db/urls/link-rules.ts';
import { html } from '../http/html.ts';
import { toPage } from '../http/page.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { pageAnswer } from '../http/problem-page.ts';
import { VISITOR_TEXTS } from '../http/visitor-texts.ts';

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
  const texts = VISITOR_TEXTS.preview;
  const leads =
    location === undefined
      ? html`<p>${texts.hiddenBefore} <strong>${shortUrl}</strong> ${texts.hiddenAfter}</p>`
      : html`<p><strong>${shortUrl}</strong> ${rules.image === undefined ? texts.leads : texts.shows}:</p>
          <p><code>${location}</code></p>`;
  return toPage(
    texts.title,
    html`${leads} ${rules.passwordHash !== undefined && html`<p>${texts.password}</p>`}
      ${rules.maxVisits !== undefined && html`<p>${texts.visits}</p>`}
      <p><a class="button" href="${shortUrl}" rel="nofollow">${texts.follow}</a></p>`,
  );
}
