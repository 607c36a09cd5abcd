import type { MapperMetrics } from '../metrics.ts';
import type { Refusal } from '../redirect/redirect-answer.ts';

/**
 * What became of a request for a picture. `not-met`: a condition of the request, or its range. `damaged`: the
 * store has other bytes than were posted. `unavailable`: a store does not answer, or too many are read.
 */
export type ImageResult =
  | 'found'
  | 'not-modified'
  | 'not-met'
  | Refusal
  | 'limited'
  | 'invalid'
  | 'damaged'
  | 'unavailable'
  | 'error';

/** Where its bytes came from; `none`: there were none. */
export type ImageSource = 'memory' | 'store' | 'none';

/** Counts requests for pictures. */
export class ImageTally {
  readonly #metrics: Pick<MapperMetrics, 'images' | 'imagesCutOff'>;

  constructor(metrics: Pick<MapperMetrics, 'images' | 'imagesCutOff'>) {
    this.#metrics = metrics;
  }

  answered(result: ImageResult, source: ImageSource = 'none'): void {
    this.#metrics.images.series({ result, source }).count += 1;
  }

  /** The store broke off after the head of the answer was sent. */
  cutOff(): void {
    this.#metrics.imagesCutOff.inc();
  }
}
