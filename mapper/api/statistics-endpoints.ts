import { endpoint, type Endpoint } from './endpoint.ts';
import { linkKey } from './link-fields.ts';
import { CSV, overviewAnswer, statisticsAnswer, toCsv, wantsCsv } from './statistics-answers.ts';
import { faultsOfZone, statisticsQuery } from './statistics-fields.ts';

const EXAMPLE = {
  from: '2026-11-26T23:00:00.000Z',
  to: '2026-11-28T10:15:00.000Z',
  unit: 'day',
  by: 'time',
  tz: 'Europe/Berlin',
  approximate: false,
  clicks: { total: 58, humans: 54, bots: 4 },
  visitors: 37,
  items: [
    { at: '2026-11-26T23:00:00.000Z', humans: 41, bots: 3 },
    { at: '2026-11-27T23:00:00.000Z', humans: 13, bots: 1 },
  ],
} as const;

const ABOUT =
  'By time, there is one item for each hour, day or month of the zone, also for those without a click. By anything else there are the 200 most frequent values, and `(other)` for all others together. An empty value has the clicks of which nothing is known, those of visitors who send `DNT: 1` or `Sec-GPC: 1` among them. Hours become days of UTC after 90 days. These days, all days of zones that are not full hours away from UTC, and all values are counted to the day of the zone with the same date. Then `approximate` is true, and also when there were visitors and the period is not of whole days of UTC: visitors are counted by these days. With `Accept: text/csv` the answer has the items only, and `approximate` as `X-Approximate`.';

const answerTypes = {
  [CSV]: { means: 'the items, with a header: `at` or `value`, `humans`, `bots`' },
} as const;

const VARY = { Vary: 'Accept' };

export const STATISTICS_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/urls/{key}/stats',
    name: 'getStatistics',
    group: 'Statistics',
    summary: 'How often one of your links was followed',
    description: ABOUT,
    access: 'stats:read',
    params: linkKey,
    query: statisticsQuery,
    faultsOf: (_, { query }) => faultsOfZone(query),
    status: 200,
    answer: statisticsAnswer,
    answerTypes,
    exampleAnswer: { ...EXAMPLE, items: [...EXAMPLE.items] },
    means: 'The clicks of the period',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ statistics }, { identity, params, query, headers }) => {
      const body = await statistics.ofLink(identity, params.key, query);
      return wantsCsv(headers.accept) ? toCsv(body) : { body, headers: VARY };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/stats',
    name: 'getOverview',
    group: 'Statistics',
    summary: 'How often all your links were followed',
    description: `${ABOUT} A visitor who followed links on two urls servers in one day counts twice.`,
    access: 'stats:read',
    query: statisticsQuery,
    faultsOf: (_, { query }) => faultsOfZone(query),
    status: 200,
    answer: overviewAnswer,
    answerTypes,
    exampleAnswer: {
      ...EXAMPLE,
      items: [...EXAMPLE.items],
      most_followed: [
        { unique_id: 'QFXOHkP7', short_url: 'https://go.example/QFXOHkP7', humans: 54, bots: 4 },
      ],
    },
    means: 'The clicks of the period',
    problems: ['store-down'],
    handle: async ({ statistics }, { identity, query, headers }) => {
      const body = await statistics.ofOwner(identity, query);
      return wantsCsv(headers.accept) ? toCsv(body) : { body, headers: VARY };
    },
  }),
];
