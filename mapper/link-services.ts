import type { Log } from '../runtime/log.ts';
import { AdminLinks } from './api/admin-links.ts';
import { BulkChanges } from './api/bulk-changes.ts';
import { BulkService } from './api/bulk-service.ts';
import type { Services } from './api/endpoint.ts';
import { ExportService } from './api/export-service.ts';
import { judgeTargets } from './api/link-patch.ts';
import { LinkMaking } from './api/link-making.ts';
import { LinkService } from './api/link-service.ts';
import { LiveService } from './api/live-service.ts';
import { QrService } from './api/qr-service.ts';
import { StatisticsService } from './api/statistics-service.ts';
import type { BulkTools } from './bulk/tools.ts';
import type { Outcome } from './bulk/wish.ts';
import type { OwnLinks } from './links/own-links.ts';
import type { LiveClicks } from './live/live-clicks.ts';
import type { MapperMetrics } from './metrics.ts';
import type { Repeats } from './repeats/repeats.ts';
import { resultOf, type ShortenTally } from './shorten/shorten-answer.ts';
import type {
  HashPassword,
  ParseShortenRequest,
  PrepareRequest,
  ReadOwnRequest,
} from './shorten/shorten-request.ts';
import type { Shortener } from './shorten/shortener.ts';
import type { TargetRules } from './shorten/target-url.ts';
import type { Statistics } from './statistics/statistics.ts';

export interface LinkServicesOptions {
  readonly own: OwnLinks;
  readonly live: LiveClicks;
  readonly tools: BulkTools;
  readonly shortener: Shortener;
  readonly rules: TargetRules;
  readonly hashPassword: HashPassword;
  readonly parse: ParseShortenRequest;
  readonly prepare: PrepareRequest;
  readonly shortens: ShortenTally;
  readonly readOwn: ReadOwnRequest;
  readonly repeats: Repeats;
  readonly statistics: Statistics;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** The services of links that the API answers with. */
export function createLinkServices(
  options: LinkServicesOptions,
): Omit<Services, 'accounts' | 'administration' | 'domains' | 'images' | 'imports' | 'orphans' | 'webhooks'> {
  const { own, live, tools, shortener, rules, hashPassword, prepare, readOwn, repeats } = options;
  const { publicUrl, metrics, log } = options;
  const links = new LinkService({ own, targets: rules, hashPassword, publicUrl });
  return {
    links,
    making: new LinkMaking({
      ...options,
      makeRepeatable: async (request) => repeats.makeItem(request),
    }),
    adminLinks: new AdminLinks({ own, publicUrl, log }),
    bulkChanges: new BulkChanges({
      own,
      prepare: async (patch, ownerId) => links.hashed(judgeTargets(patch, rules), ownerId),
      publicUrl,
      log,
    }),
    exports: new ExportService(own, publicUrl),
    qr: new QrService(own, publicUrl),
    live: new LiveService(own, live),
    statistics: new StatisticsService({ own, statistics: options.statistics, publicUrl, nowMs: Date.now }),
    bulk: new BulkService({
      tools,
      read: readOwn,
      prepare,
      shorten: async (request) => shortener.shorten(request),
      publicUrl,
      makeRepeatable: async (request) => repeats.makeItem(request),
      onItem: (outcome) => countItem(metrics, outcome),
      log,
    }),
  };
}

function countItem({ bulkItems }: MapperMetrics, outcome: Outcome): void {
  bulkItems.series({ result: resultOfItem(outcome) }).count += 1;
}

function resultOfItem(outcome: Outcome): string {
  if ('problem' in outcome) return resultOf(outcome.problem);
  if (outcome.isReplayed === true) return 'replayed';
  return outcome.status === 201 ? 'created' : 'found';
}
