import { openMysql } from '../mysql/mysql.ts';
import { checkSchema } from '../mysql/schema-version.ts';
import { ApiKeys } from './api-keys.ts';
import { DomainBlocks } from './domain-blocks.ts';
import { ImportJobs } from './import-jobs.ts';
import { PasswordResets } from './password-resets.ts';
import { Reports } from './reports.ts';
import { Sessions } from './sessions.ts';
import { Users } from './users.ts';
import { VisitorSalts } from './visitor-salts.ts';
import { WebhookDeliveries } from './webhook-deliveries.ts';
import { Webhooks } from './webhooks.ts';

/** The users database: accounts, and everything with which a request proves whose it is. */
export interface UsersDb {
  readonly name: string;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly resets: PasswordResets;
  readonly reports: Reports;
  readonly domains: DomainBlocks;
  readonly salts: VisitorSalts;
  /** On connections of their own. */
  readonly imports: ImportJobs;
  /** On connections of their own, with what became of their deliveries. */
  readonly webhooks: Webhooks;
  readonly webhookDeliveries: WebhookDeliveries;
  /**
   * @throws MismatchError when the schema is not this program's; StoreUnavailableError when the database does
   * not answer
   */
  verify(): Promise<void>;
  /** Finds out whether it takes changes, without one. @throws StoreUnavailableError it does not */
  checkWrites(): Promise<void>;
  close(): Promise<void>;
}

const NAME = 'users';
/** Pieces of files of 1 MB must not make those wait who prove who they are. */
const IMPORT_CONNECTIONS = 2;
const WEBHOOK_CONNECTIONS = 2;

/** Connects when first used. */
export function openUsersDb({ url }: { readonly url: string }): UsersDb {
  const db = openMysql(url, { name: NAME, connections: 4, queueLimit: 256, canTransact: true });
  const forImports = openMysql(url, { name: NAME, connections: IMPORT_CONNECTIONS, queueLimit: 64 });
  const forWebhooks = openMysql(url, {
    name: NAME,
    connections: WEBHOOK_CONNECTIONS,
    queueLimit: 256,
    canTransact: true,
  });
  return {
    name: NAME,
    users: new Users(db),
    sessions: new Sessions(db),
    keys: new ApiKeys(db),
    resets: new PasswordResets(db),
    reports: new Reports(db),
    domains: new DomainBlocks(db),
    salts: new VisitorSalts(db),
    imports: new ImportJobs(forImports),
    webhooks: new Webhooks(forWebhooks),
    webhookDeliveries: new WebhookDeliveries(forWebhooks),
    verify: async () => {
      await checkSchema(db, 'users');
    },
    // No session has an empty hash. A database that is read-only refuses the statement all the same.
    checkWrites: async () => {
      await forWebhooks.execute("DELETE FROM sessions WHERE secret_hash = ''", []);
    },
    close: async () => void (await Promise.all([db.close(), forImports.close(), forWebhooks.close()])),
  };
}
