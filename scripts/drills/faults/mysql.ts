import type { Drill } from '../drill.ts';

/** Drills on the MySQL servers that hold links and keys. */

const URLS_DOWN_MS = 60_000;
const KEYS_DOWN_MS = 10_000;

const urlsDown: Drill = {
  name: 'urls-down',
  does: 'one of two urls servers is killed for 60 s: shortens go on with keys of the other slots, cached redirects go on, others are refused at once',
  needs: [],
  rounds: 1,
  goals: () => ({ ackedShare: 0.99, redirectRefusedMaxMs: 1_000 }),
  round: async (stage) => {
    const { cluster } = stage;
    const { name } = stage.pick(cluster.file.mysql.filter((server) => server.name.startsWith('urls-')));
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault(`kill -9 of ${name}`);
    await cluster.kill(name);
    await stage.pause(URLS_DOWN_MS);
    end();
    stage.event(`${name} is started again`);
    await stage.undo('restart');
  },
};

const keysDbDown: Drill = {
  name: 'keys-db-down',
  does: 'the MySQL server of all keys-dbs is killed: holders keep their locks and back off; shortens and redirects do not notice',
  needs: [],
  rounds: 2,
  goals: () => ({ failedShortens: 0, failedRedirects: 0 }),
  round: async (stage) => {
    const { cluster } = stage;
    const name = 'mysql-keys';
    const before = stage.reignsOf(cluster.shards);
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault(`kill -9 of ${name}`);
    await cluster.kill(name);
    await stage.pause(KEYS_DOWN_MS);
    stage.expectSameReigns(before);
    end();
    stage.event(`${name} is started again`);
    await stage.undo('restart');
  },
};

export const MYSQL_DRILLS: readonly Drill[] = [urlsDown, keysDbDown];
