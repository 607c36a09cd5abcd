import { endpoint, type Endpoint } from './endpoint.ts';
import { linkKey } from './link-fields.ts';
import { chartsAnswer, overviewChartsAnswer } from './statistics-answers.ts';
import { chartsQuery, faultsOfZone } from './statistics-fields.ts';

/**
 * All that a page with charts shows, in one question. They are not of the API and have no route: pages call
 * them, and get the credential, the limits and the checks of an endpoint. Seven questions of the API would
 * read the link and its visitors seven times, with some 35 statements, and all redirects would be later.
 */
export const CHART_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/urls/{key}/charts',
    name: 'getCharts',
    group: 'Statistics',
    summary: 'All charts of one of your links',
    access: 'stats:read',
    params: linkKey,
    query: chartsQuery,
    faultsOf: (_, { query }) => faultsOfZone(query),
    status: 200,
    answer: chartsAnswer,
    means: 'The clicks of the period',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ statistics }, { identity, params, query }) => ({
      body: await statistics.chartsOfLink(identity, params.key, query),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/stats/charts',
    name: 'getOverviewCharts',
    group: 'Statistics',
    summary: 'All charts of all your links together',
    access: 'stats:read',
    query: chartsQuery,
    faultsOf: (_, { query }) => faultsOfZone(query),
    status: 200,
    answer: overviewChartsAnswer,
    means: 'The clicks of the period',
    problems: ['store-down'],
    handle: async ({ statistics }, { identity, query }) => ({
      body: await statistics.chartsOfOwner(identity, query),
    }),
  }),
];
