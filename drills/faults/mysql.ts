import { parseSlots } from '../../runtime/config/slots.ts';
import type { Drill } from '../run/drill.ts';
import { killFor } from '../run/outage.ts';

/** Drills on the MySQL servers that store links and keys. */

const URLS_DOWN_MS = 60_000;
const KEYS_DOWN_MS = 10_000;
const KEYS_SERVER = 'mysql-keys';

const urlsDown: Drill = {
  name: 'urls-down',
  does:
    'Kills one of two urls servers for 60 s. Shortens continue with keys of the other slots, cached ' +
    'redirects continue, and other redirects are refused immediately.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const { mysql, urlsDbs } = run.cluster.file;
    const { name } = run.pick(mysql.filter((server) => server.name.startsWith('urls-')));
    const slots = urlsDbs.filter((db) => db.name === name).flatMap((db) => parseSlots(db.slots) ?? []);
    await killFor(run, [name], URLS_DOWN_MS, slots);
  },
};

const keysDbDown: Drill = {
  name: 'keys-db-down',
  does:
    'Kills the MySQL server of all keys-dbs for 10 s. Holders keep their locks and back off. No request ' +
    'fails, because the pools still have keys.',
  needs: [],
  rounds: 2,
  round: async (run) => {
    const before = run.reigns.of(run.cluster.shards);
    await killFor(run, [KEYS_SERVER], KEYS_DOWN_MS);
    run.reigns.expectSame(before);
  },
};

export const MYSQL_DRILLS: readonly Drill[] = [urlsDown, keysDbDown];
