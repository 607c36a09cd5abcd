import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { parseSlots } from '../../runtime/config/slots.ts';
import { MARIADB_OPERATOR, MARIADB_USER } from '../../scripts/servers/mariadb.ts';
import { readDegraded } from '../../scripts/cluster/readiness.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

/** Drills on a urls server that runs, and does only a part of its work. */

const FAULT_MS = 10_000;
const READ_LOCK = 'read lock';
const BACKUP = 'backup';
const THEIRS_STAY = 'their connections stay';
const THEIRS_END = 'their connections end';
/** The least that MariaDB accepts for `max_connections`. */
const FEWEST_CONNECTIONS = 10;
/** For a connection, and for a statement that waits for others, such as FLUSH TABLES. */
const SLOW_MS = 20_000;

interface Victim {
  readonly name: string;
  readonly slots: readonly number[];
  readonly url: string;
}

/** One of the urls servers. */
function pickVictim(run: DrillRun): Victim {
  const { name, slots, url } = run.pick(run.cluster.file.urlsDbs);
  const operator = new URL(url);
  operator.username = MARIADB_OPERATOR;
  return { name, slots: parseSlots(slots) ?? [], url: operator.href };
}

/** Opens an operator's connections to the victim. `run.undo(what)` closes them. */
async function connect(run: DrillRun, { name, url }: Victim, what: string, connections = 1): Promise<Mysql> {
  const mysql = openMysql(url, { name, connections, connectTimeoutMs: SLOW_MS });
  run.undoLater(what, async () => mysql.close());
  const statements = Array.from({ length: connections }, async () =>
    mysql.query('SELECT 1', [], { timeoutMs: SLOW_MS }),
  );
  await Promise.all(statements);
  return mysql;
}

/** Lasts as long as the fault. It is none unless every mapper names `degraded` at its end. */
async function hold(run: DrillRun, degraded: string): Promise<void> {
  await run.pause(FAULT_MS);
  for (const { id, admin } of run.cluster.file.mappers) {
    if ((await readDegraded(admin))?.includes(degraded) !== true)
      run.violation(`${id} does not name "${degraded}" as degraded`);
  }
}

const writesHang: Drill = {
  name: 'urls-writes-hang',
  does:
    'Blocks all writes of one of two urls servers for 10 s, by FLUSH TABLES WITH READ LOCK, then by a backup ' +
    'that blocks commits. New links get keys of the other server, and all redirects continue.',
  needs: [],
  rounds: 3,
  parts: [READ_LOCK, BACKUP],
  round: async (run, part) => {
    const victim = pickVictim(run);
    const statements =
      part === READ_LOCK
        ? ['FLUSH TABLES WITH READ LOCK']
        : ['START', 'FLUSH', 'BLOCK_DDL', 'BLOCK_COMMIT'].map((stage) => `BACKUP STAGE ${stage}`);
    const operator = await connect(run, victim, 'lock');
    const end = run.beginFault(`${statements.at(-1)} on ${victim.name}`);
    for (const statement of statements) await operator.execute(statement, [], { timeoutMs: SLOW_MS });
    await hold(run, `${victim.name} writes`);
    await run.undo('lock');
    end();
  },
};

const readOnly: Drill = {
  name: 'urls-read-only',
  does:
    'Makes one of two urls servers read-only for 10 s. New links get keys of the other server, and all ' +
    'redirects continue.',
  needs: [],
  rounds: 3,
  round: async (run) => {
    const victim = pickVictim(run);
    const operator = await connect(run, victim, 'connection');
    run.undoLater('read-only', async () => void (await operator.execute('SET GLOBAL read_only = 0')));
    const end = run.beginFault(`${victim.name} is read-only`);
    await operator.execute('SET GLOBAL read_only = 1', [], { timeoutMs: SLOW_MS });
    await hold(run, `${victim.name} writes`);
    await run.undo('read-only');
    end();
    await run.undo('connection');
  },
};

const metadataLock: Drill = {
  name: 'urls-metadata-lock',
  does:
    'Runs ALTER TABLE urls on one of two urls servers behind a transaction that stays open for 10 s, so that ' +
    'every statement waits for the lock on the table. New links get keys of the other server, and redirects ' +
    'that no cache can answer are refused immediately.',
  needs: [],
  rounds: 3,
  round: async (run) => {
    const victim = pickVictim(run);
    // The transaction first, so that the ALTER waits no longer when an interrupted drill heals its faults.
    const alterer = await connect(run, victim, 'alter');
    const reader = await connect(run, victim, 'transaction');
    await reader.execute('START TRANSACTION');
    await reader.query('SELECT unique_id FROM urls LIMIT 1');
    const end = run.beginFault(`an ALTER TABLE waits on ${victim.name}`, victim.slots);
    const altered = alterer.execute("ALTER TABLE urls COMMENT ''", [], { timeoutMs: FAULT_MS + SLOW_MS });
    // It also fails when an interrupted drill closes the connection.
    altered.catch(() => undefined);
    await hold(run, victim.name);
    await run.undo('transaction');
    await altered;
    end();
    await run.undo('alter');
  },
};

const connectionsUsedUp: Drill = {
  name: 'urls-connections-used-up',
  does:
    'Another client uses up the connections of one of two urls servers for 10 s. Mappers continue on those ' +
    'that they have. In the second part these end too: new links get keys of the other server, and redirects ' +
    'that no cache can answer are refused immediately.',
  needs: [],
  rounds: 2,
  parts: [THEIRS_STAY, THEIRS_END],
  round: async (run, part) => {
    const victim = pickVictim(run);
    const foreign = await connect(run, victim, 'connections', FEWEST_CONNECTIONS + 1);
    const [row] = await foreign.query<{ most: number }>('SELECT @@max_connections AS most');
    const setMost = async (most: number): Promise<void> =>
      void (await foreign.execute('SET GLOBAL max_connections = ?', [most]));
    run.undoLater('limit', async () => setMost(row?.most ?? FEWEST_CONNECTIONS));
    const isCut = part === THEIRS_END;
    const end = run.beginFault(
      `the connections of ${victim.name} are used up, ${part}`,
      isCut ? victim.slots : [],
    );
    await setMost(FEWEST_CONNECTIONS);
    if (isCut) await foreign.execute(`KILL CONNECTION USER '${MARIADB_USER}'@'127.0.0.1'`);
    if (isCut) await hold(run, victim.name);
    else await run.pause(FAULT_MS);
    await run.undo('limit');
    end();
    await run.undo('connections');
  },
};

export const URLS_SERVER_DRILLS: readonly Drill[] = [writesHang, readOnly, metadataLock, connectionsUsedUp];
