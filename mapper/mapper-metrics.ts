import type { Metrics } from '../runtime/metrics.ts';

export type MapperMetrics = ReturnType<typeof createMapperMetrics>;

/** Everything a mapper counts, by the names of the contract. */
export function createMapperMetrics(metrics: Metrics) {
  return {
    shortens: metrics.counter('shortens_total', 'Shorten requests by result', ['result']),
    shortenSeconds: metrics.histogram('shorten_seconds', 'Time from request to answer of POST /urls'),
    redirects: metrics.counter(
      'redirects_total',
      'Redirect requests by result and where the answer came from',
      ['result', 'source'],
    ),
    redirectSeconds: metrics.histogram('redirect_seconds', 'Time from request to answer of GET /{unique_id}'),
    bindBatchSize: metrics.histogram(
      'bind_batch_size',
      'Rows per INSERT',
      [],
      [1, 2, 4, 8, 16, 32, 64, 128, 256],
    ),
    duplicates: metrics.counter('key_duplicates_total', 'Pool keys that turned out to be bound already'),
    dropped: metrics.counter(
      'keys_dropped_total',
      'Keys given up by this mapper, to be recycled by the audit',
      ['reason'],
    ),
  } as const;
}
