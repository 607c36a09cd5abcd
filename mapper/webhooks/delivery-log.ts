import type { UsersDb } from '../../db/accounts/users-db.ts';
import type { WebhookDelivery } from '../../db/accounts/webhook-deliveries.ts';
import type { Log } from '../../runtime/log.ts';

export interface DeliveryLogOptions {
  readonly ask: <T>(work: (db: UsersDb) => Promise<T>) => Promise<T>;
  readonly log: Log;
}

/** While the users database is away, later deliveries are not recorded. */
const MAX_WAITING = 2_000;
const ROWS_AT_ONCE = 200;
/** Rows of a webhook after which those that are too many are removed. */
const TRIM_EVERY = 100;
const MAX_COUNTED = 10_000;

/** Records what became of deliveries, many at a time. */
export class DeliveryLog {
  readonly #options: DeliveryLogOptions;
  #waiting: WebhookDelivery[] = [];
  /** How many rows of a webhook were added since it was trimmed. */
  readonly #added = new Map<string, number>();

  constructor(options: DeliveryLogOptions) {
    this.#options = options;
  }

  add(delivery: WebhookDelivery): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(delivery);
  }

  /** Stores what waits. Never rejects. */
  async flush(): Promise<void> {
    const { ask, log } = this.#options;
    try {
      while (this.#waiting.length > 0) {
        const rows = this.#waiting.slice(0, ROWS_AT_ONCE);
        await ask(async (db) => db.webhookDeliveries.add(rows));
        this.#waiting = this.#waiting.slice(rows.length);
        for (const id of this.#countAdded(rows)) await ask(async (db) => db.webhookDeliveries.trim(id));
      }
    } catch (error) {
      log.debug({ error }, 'deliveries to webhooks are recorded when the users database answers');
    }
  }

  /** @returns the webhooks that have got many rows */
  #countAdded(rows: readonly WebhookDelivery[]): string[] {
    for (const { webhookId } of rows) this.#added.set(webhookId, (this.#added.get(webhookId) ?? 0) + 1);
    const due = [...this.#added].filter(([, count]) => count >= TRIM_EVERY).map(([id]) => id);
    for (const id of due) this.#added.delete(id);
    if (this.#added.size > MAX_COUNTED) this.#added.clear();
    return due;
  }
}
