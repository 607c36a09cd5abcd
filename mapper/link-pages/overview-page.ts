import type { OverviewChartsBody } from '../api/statistics-answers.ts';
import { clicks } from '../charts/clicks.ts';
import { html, type HtmlValue } from '../http/html.ts';
import { table, urlText } from '../pages/components.ts';
import type { PageReply, PageRequest, PageRoutes } from '../pages/page-routes.ts';
import { OVERVIEW_PATH, pathOfLink } from './paths.ts';
import { periodOf } from './period.ts';
import { readClicks } from './read-clicks.ts';
import { DIMENSION_NAMES, statisticsSection, type ShownClicks } from './statistics-view.ts';

const NO_CLICKS = 'Nobody has followed any of your links in this period.';
/** Charts of all time have a bar for each month. */
const LONG_AGO = new Date(0);

/** `/urls/-/statistics`: the clicks of all own links together, and the links that were followed most. */
export function addOverviewPage(pages: PageRoutes): void {
  pages.get(OVERVIEW_PATH, { for: 'signed-in' }, overview);
}

async function overview({ call, query }: PageRequest): Promise<PageReply> {
  const asked = { period: query.get('period') ?? undefined, tz: query.get('tz') ?? undefined };
  const period = periodOf(asked, LONG_AGO, Date.now());
  const only = DIMENSION_NAMES.find((name) => name === query.get('by'));
  const shown = await readClicks(period, only, async (wanted) =>
    call('getOverviewCharts', { query: wanted }),
  );
  return {
    title: 'Statistics',
    content: html`<p class="trail"><a href="/urls">My links</a></p><h1>All my links</h1>
${statisticsSection({ path: OVERVIEW_PATH, period, shown, only, none: NO_CLICKS })}
${only === undefined && !('fault' in shown) && mostFollowed(shown)}`,
  };
}

function mostFollowed(shown: ShownClicks): HtmlValue {
  const { most_followed: links } = shown as OverviewChartsBody;
  if (links.length === 0) return undefined;
  return html`<section class="card"><h2>Followed most</h2>${table(
    'The links that people followed most, deleted ones too',
    [{ label: 'Link' }, { label: 'People', isNumber: true }, { label: 'Bots', isNumber: true }],
    links.map(({ unique_id: key, short_url: url, humans, bots }) => [
      html`<a href="${pathOfLink(key)}">${urlText(url)}</a>`,
      clicks(humans),
      clicks(bots),
    ]),
    { isCaptionSeen: false },
  )}</section>`;
}
