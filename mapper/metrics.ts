import type { Metrics } from '../runtime/metrics.ts';

export type MapperMetrics = ReturnType<typeof createMapperMetrics>;

/** Every metric of a mapper. The names are fixed: docs/contract.md. */
export function createMapperMetrics(metrics: Metrics) {
  return {
    shortens: metrics.tally('shortens_total', 'Shorten requests by result', ['result']),
    bulkItems: metrics.tally('bulk_items_total', 'Items of POST /urls/bulk by result', ['result']),
    shortenSeconds: metrics.distribution('shorten_seconds', 'Time from request to answer of POST /urls'),
    imageUploads: metrics.tally('image_uploads_total', 'Pictures posted to POST /images by result', [
      'result',
    ]),
    imageUploadBytes: metrics.tally('image_upload_bytes_total', 'Bytes of pictures that were stored', []),
    imageUploadSeconds: metrics.distribution(
      'image_upload_seconds',
      'Time from request to answer of POST /images',
    ),
    blobOperations: metrics.tally(
      'blob_operations_total',
      'What was asked of the store of images, and whether it was done',
      ['operation', 'result'],
    ),
    blobSeconds: metrics.distribution(
      'blob_seconds',
      'Time of an operation of the store of images that was done',
    ),
    ...createGoneImageMetrics(metrics),
    ...createCounterMetrics(metrics),
    redirects: metrics.tally(
      'redirects_total',
      'Redirect requests by result and where the answer came from',
      ['result', 'source'],
    ),
    redirectSeconds: metrics.distribution(
      'redirect_seconds',
      'Time from request to answer of GET /{unique_id}',
    ),
    images: metrics.tally('images_total', 'Requests for pictures by result and where the bytes came from', [
      'result',
      'source',
    ]),
    imagesCutOff: metrics.counter(
      'images_cut_off_total',
      'Pictures whose connection was cut, because the store broke off or had other bytes than were posted',
    ),
    thumbnailsMade: metrics.counter('thumbnails_made_total', 'Thumbnails that were decoded, not read'),
    bindBatchSize: metrics.distribution(
      'bind_batch_size',
      'Rows per INSERT',
      [1, 2, 4, 8, 16, 32, 64, 128, 256],
    ),
    changes: metrics.counter(
      'changes_total',
      'New aliases and changed links, by which mapper processes had heard of it when it was answered',
      ['heard'],
    ),
    changeSeconds: metrics.distribution(
      'change_seconds',
      'Time from the first announcement of a change until it may be answered',
    ),
    duplicates: metrics.counter('key_duplicates_total', 'Pool keys that turned out to be bound already'),
    dropped: metrics.counter(
      'keys_dropped_total',
      'Keys that this mapper gave up; they are recycled after the quarantine',
      ['reason'],
    ),
    requestsLimited: metrics.counter('requests_limited_total', 'Requests refused with 429, by limit', [
      'limit',
    ]),
    signIns: metrics.counter('sign_ins_total', 'Sign-ins by result', ['result']),
    reports: metrics.counter('reports_total', 'Reports of links by result', ['result']),
    visits: metrics.counter(
      'visits_total',
      'Visitors of links with a limited number of visits, by what became of them',
      ['result'],
    ),
    webhookDeliveries: metrics.counter('webhook_deliveries_total', 'Deliveries to webhooks by result', [
      'result',
    ]),
    webhookSeconds: metrics.distribution('webhook_seconds', 'Time of an attempt to deliver to a webhook'),
    webhooksSwitchedOff: metrics.counter(
      'webhooks_switched_off_total',
      'Webhooks switched off because every delivery had failed',
    ),
    liveClicksLost: metrics.counter(
      'live_clicks_lost_total',
      'Clicks of watched links that were not told, because their Redis did not take them',
    ),
    clicksStored: metrics.counter('clicks_stored_total', 'Followed links counted in the urls servers'),
    clicksDropped: metrics.counter(
      'clicks_dropped_total',
      'Followed links that were not counted because too many keys waited',
    ),
    clicksUnresolved: metrics.tally(
      'clicks_unresolved_total',
      'Followed links that were counted without a look at their headers because too many waited',
      [],
    ),
  } as const;
}

/** What becomes of images that are gone. */
function createGoneImageMetrics(metrics: Metrics) {
  return {
    blobsSwept: metrics.counter('blobs_swept_total', 'Blobs that no link needed, and that are deleted', [
      'reason',
    ]),
    blobsSweptBytes: metrics.counter('blobs_swept_bytes_total', 'Their bytes'),
    imageRefreshes: metrics.counter(
      'image_refreshes_total',
      'Deleted images that a cache in front of us was told of, by result',
      ['result'],
    ),
  } as const;
}

/** Keys by counter. */
function createCounterMetrics(metrics: Metrics) {
  return {
    counterBatches: metrics.counter(
      'counter_batches_total',
      'Batches of ids reserved by counter: by redis and its mark, or by the mark alone',
      ['by'],
    ),
    counterWasted: metrics.counter(
      'counter_ids_wasted_total',
      'Ids reserved by counter that nobody uses: an answer was lost, or the counter had gone back',
    ),
    counterGoneBack: metrics.counter(
      'counter_gone_back_total',
      'How often the mark of the counter was found lower than before: its users database was restored',
    ),
  } as const;
}
