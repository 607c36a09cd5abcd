import { openOutboxDb } from '../db/outbox/outbox-db.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import { DEFAULT_RETRY_MS } from '../runtime/config/webhooks.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { restAfter } from '../runtime/pace.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { pollEvery } from '../runtime/polling.ts';
import { pauseQuietly, withDeadline } from '../runtime/retry.ts';
import type { UsersStore } from './auth/users-store.ts';
import type { MapperCaches } from './caches.ts';
import { toEventData } from './events/event-data.ts';
import type { MapperMetrics } from './metrics.ts';
import type { TargetRules } from './shorten/target-url.ts';
import { createCheckedLookup } from './webhooks/checked-lookup.ts';
import { Deliveries } from './webhooks/deliveries.ts';
import { DeliveryLog } from './webhooks/delivery-log.ts';
import { Lanes } from './webhooks/lanes.ts';
import { post } from './webhooks/post.ts';
import { SecretBox } from './webhooks/secrets.ts';
import { Sender } from './webhooks/sender.ts';
import type { WebhookListeners } from './webhook-listeners.ts';
import { formatWebhookAnnouncement, type WebhookOwners } from './webhooks/webhook-owners.ts';
import { Webhooks, type WebhooksOptions } from './webhooks/webhooks.ts';

export interface OpenWebhooksOptions {
  readonly config: MapperConfig;
  readonly accounts: {
    readonly store: UsersStore;
    readonly webhookListeners: Pick<WebhookListeners, 'owners'>;
  };
  readonly caches: Pick<MapperCaches, 'announceChange'>;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  /** Where webhooks may be. */
  readonly targets: TargetRules;
  readonly registry: Metrics;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** The webhooks of owners, and the delivery of events to them. */
export interface OpenWebhooks extends AsyncDisposable {
  readonly service: Webhooks;
}

/** How soon an event is noticed. */
const LOOK_EVERY_MS = 500;
/** While nobody has a webhook: what an earlier owner has left is removed. */
const IDLE_EVERY_MS = 30_000;
/** While there is much to do: attempts end meanwhile. */
const BUSY_EVERY_MS = 20;
const RECORD_EVERY_MS = 500;
/** How long a stop waits for the attempts under way. Others make those again that are cut off. */
const LAST_ATTEMPTS_MS = 2_000;
const SETTLE_MS = 1_000;

/** Opens the outboxes of all urls servers, and delivers their events in the background. */
export function openWebhooks(options: OpenWebhooksOptions): OpenWebhooks {
  const { config, accounts, caches, publicUrl, targets, registry, metrics, log } = options;
  const { store: users, webhookListeners } = accounts;
  const { owners } = webhookListeners;
  const stopping = new AbortController();
  const cutting = new AbortController();
  const { nameServers = [], retryMs = DEFAULT_RETRY_MS } = config.webhooks ?? {};
  const lookup = createCheckedLookup({ nameServers, allowPrivate: config.allowPrivateTargets });
  const box = new SecretBox(config.stores.keys.secret);
  const posting = { sender: new Sender({ lookup }), box, targets };
  const send: WebhooksOptions['post'] = async (webhook, message) =>
    post(webhook, message, posting, cutting.signal);
  const lanes = new Lanes(monotonicMs);
  const ask: UsersStore['ask'] = async (work) => users.ask(work);
  const deliveryLog = new DeliveryLog({ ask, log });
  const dbs = config.stores.urlsDbs.map((urlsDb) => openOutboxDb(urlsDb));
  const all = dbs.map(
    (db) =>
      new Deliveries({
        db,
        users,
        lanes,
        toData: (event, body) => JSON.stringify(toEventData(event, body, publicUrl)),
        post: send,
        deliveryLog,
        retryMs,
        onResult: (result, attempt) => {
          metrics.webhookDeliveries.inc({ result });
          if (attempt !== undefined) metrics.webhookSeconds.observe(attempt.tookMs / 1_000);
        },
        onSwitchedOff: () => metrics.webhooksSwitchedOff.inc(),
        log,
      }),
  );
  watchWebhooks(registry, all, lanes);
  const running = [
    ...all.map(async (deliveries) => deliver(deliveries, owners, stopping.signal, log)),
    pollEvery(RECORD_EVERY_MS, stopping.signal, async () => deliveryLog.flush()),
  ];
  return {
    service: new Webhooks({
      users,
      box,
      targets,
      post: send,
      announce: async (userId) => {
        owners.add(userId);
        await caches.announceChange(formatWebhookAnnouncement(userId));
      },
    }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      const idle = async (): Promise<unknown> => Promise.all(all.map(async (one) => one.idle()));
      const end = async (): Promise<unknown> => Promise.all(running).then(idle);
      await withDeadline('deliveries to webhooks', LAST_ATTEMPTS_MS, end).catch(() => undefined);
      cutting.abort();
      const settle = async (): Promise<void> => idle().then(async () => deliveryLog.flush());
      await withDeadline('what became of deliveries', SETTLE_MS, settle).catch(() => undefined);
      // Cuts off the statements in flight, so that everything ends also when a store hangs.
      await Promise.all(dbs.map(async (db) => db.close()));
    },
  };
}

async function deliver(
  deliveries: Deliveries,
  owners: WebhookOwners,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  let isFailing = false;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const beganAtMs = monotonicMs();
    let isBusy = false;
    if (owners.mayBeAny || beganAtMs - lookedAtMs > IDLE_EVERY_MS) {
      lookedAtMs = beganAtMs;
      try {
        isBusy = await deliveries.round();
        isFailing = false;
      } catch (error) {
        if (!isFailing)
          log.warn({ error, urlsDb: deliveries.name }, 'deliveries to webhooks wait for a store');
        isFailing = true;
      }
    }
    const restMs = restAfter(monotonicMs() - beganAtMs);
    await pauseQuietly(Math.max(restMs, isBusy ? BUSY_EVERY_MS : LOOK_EVERY_MS), signal);
  }
}

function watchWebhooks(registry: Metrics, all: readonly Deliveries[], lanes: Lanes): void {
  registry.gauge('webhook_deliveries_in_flight', 'Attempts to deliver to webhooks under way', [], (gauge) =>
    gauge.set(lanes.size),
  );
  registry.gauge(
    'webhook_delivery_late_seconds',
    'How long the delivery that is due longest waits, at a receiver that has not failed, by urls server',
    ['urls_db'],
    (gauge) => {
      for (const { name, lateMs } of all) gauge.set({ urls_db: name }, lateMs / 1_000);
    },
    'max',
  );
}
