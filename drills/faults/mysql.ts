import { parseSlots } from '../../runtime/config/slots.ts';
import type { Drill } from '../drill.ts';
import { killFor } from '../stage/outage.ts';

/** Drills on the MySQL servers that hold links and keys. */

const URLS_DOWN_MS = 60_000;
const KEYS_DOWN_MS = 10_000;
const KEYS_SERVER = 'mysql-keys';

const urlsDown: Drill = {
  name: 'urls-down',
  does: 'one of two urls servers is killed for 60 s: shortens go on with keys of the other slots, cached redirects go on, others are refused at once',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const { mysql, urlsDbs } = stage.cluster.file;
    const { name } = stage.pick(mysql.filter((server) => server.name.startsWith('urls-')));
    const slots = urlsDbs.filter((db) => db.name === name).flatMap((db) => parseSlots(db.slots) ?? []);
    await killFor(stage, [name], URLS_DOWN_MS, slots);
  },
};

const keysDbDown: Drill = {
  name: 'keys-db-down',
  does: 'the MySQL server of all keys-dbs is killed: holders keep their locks and back off; shortens and redirects do not notice',
  needs: [],
  rounds: 2,
  round: async (stage) => {
    const before = stage.reignsOf(stage.cluster.shards);
    await killFor(stage, [KEYS_SERVER], KEYS_DOWN_MS);
    stage.expectSameReigns(before);
  },
};

export const MYSQL_DRILLS: readonly Drill[] = [urlsDown, keysDbDown];
