import { endpoint, type Endpoint } from './endpoint.ts';
import { linkKey } from './link-fields.ts';
import { EVENT_STREAM } from './live-service.ts';

export const LIVE_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/urls/{key}/clicks/live',
    name: 'watchClicks',
    group: 'Statistics',
    summary: 'Watch the clicks of one of your links as they happen',
    description:
      'Server-sent events, at most 20 a second. `click` is one click, with what is known about it. `more` is a number of further ones: `{"clicks", "humans", "bots"}`. A client that comes again within a minute with `Last-Event-ID`, as browsers do, is told what it has missed; `gap` means that some of it was not kept. The stream ends when the service stops, and when its key or session ends. Clicks come about a second late. They are counted whether somebody watches or not; where the operator has clicks not counted (`KEYMILL_COUNT_CLICKS`), there is nothing to watch.',
    access: 'stats:read',
    params: linkKey,
    status: 200,
    answerTypes: {
      [EVENT_STREAM]: {
        means: 'events, until one side ends the connection; a comment every few seconds keeps it open',
      },
    },
    means: 'The clicks',
    problems: ['unknown-key', 'store-down', 'overloaded'],
    handle: async ({ live }, { identity, identifyAgain, params, headers }) =>
      live.watch({ identity, identifyAgain }, params.key, single(headers['last-event-id'])),
  }),
];

/** Node joins a header that is given twice, so it is never a list. */
function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}
