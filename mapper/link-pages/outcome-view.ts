import { html } from '../http/html.ts';
import type { Problem } from '../http/problem.ts';
import { buttonLink, foreignText, notice, table } from '../pages/components.ts';
import type { Page } from '../pages/layout.ts';
import type { NotChanged } from './change-chosen.ts';
import { pathOfLink } from './paths.ts';

export interface OutcomeView {
  /** The path of the list. */
  readonly back: string;
  readonly changed: number;
  readonly failed: readonly NotChanged[];
  /** Why the service could not go on. */
  readonly stop?: Problem | undefined;
}

/** What became of links that were to be changed together, when some were not. */
export function outcomePage({ back, changed, failed, stop }: OutcomeView): Page {
  const links = (count: number): string => (count === 1 ? '1 link' : `${count} links`);
  return {
    title: 'Not all links are changed',
    width: 'middle',
    ...(stop !== undefined && { status: stop.status, headers: stop.headers }),
    content: html`<h1>Not all links are changed</h1>
${notice('fault', html`<p>${links(changed)} changed, ${links(failed.length)} not.${stop !== undefined && ` ${stop.message}`}</p>`)}
${table(
  'Links that are as they were',
  [{ label: 'Link' }, { label: 'Why' }],
  failed.map(({ key, reason }) => [
    html`<a href="${pathOfLink(key)}">${foreignText(key)}</a>`,
    foreignText(reason),
  ]),
)}
<p>${buttonLink(back, 'Back to the list', { kind: 'plain' })}</p>`,
  };
}
