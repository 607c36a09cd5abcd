import { parseCount } from '../../runtime/stored-values.ts';
import type { Mysql } from '../mysql/mysql.ts';
import type { ServerIdentity } from '../mysql/server-identity.ts';
import { refuseIfFenced } from './refuse-if-fenced.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

/** The state of a urls server when it was last judged. */
export interface KeptMark {
  readonly beat: number;
  readonly identity: ServerIdentity;
  readonly incarnation: string;
}

interface Row {
  readonly urls_db: string;
  readonly beat: unknown;
  readonly host: string;
  readonly port: number;
  readonly server_id: number;
  readonly started_s: number;
  readonly server_incarnation: string;
}

/**
 * The kept marks of all urls servers, by name. A server without one is new.
 * @throws ImpossibleValueError when a beat can be no count
 */
export async function readKeptMarks(db: Mysql): Promise<Map<string, KeptMark>> {
  const rows = await db.query<Row>(
    'SELECT urls_db, beat, host, port, server_id, started_s, server_incarnation FROM kept_marks',
  );
  return new Map(
    rows.map(({ urls_db: name, beat, host, port, ...row }) => [
      name,
      {
        beat: parseCount(beat, { store: db.name, what: `beat of ${name} in kept_marks` }),
        identity: { host, port, serverId: row.server_id, startedS: row.started_s },
        incarnation: row.server_incarnation,
      },
    ]),
  );
}

/**
 * Replaces the kept mark of a urls server. When the server has changed, call {@link recordWriteOff} first:
 * the old mark is the only evidence.
 * @throws FencedError
 */
export async function keepMark(
  db: Mysql,
  { epoch, urlsDb, mark }: { readonly epoch: number; readonly urlsDb: string; readonly mark: KeptMark },
): Promise<void> {
  const { beat, incarnation } = mark;
  const { host, port, serverId, startedS } = mark.identity;
  const { affectedRows } = await repeatUntilKnown(() =>
    db.execute(
      `INSERT INTO kept_marks
         (urls_db, beat, host, port, server_id, started_s, server_incarnation, kept_at)
       SELECT ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3) FROM ownership WHERE id = 1 AND epoch = ? FOR UPDATE
       ON DUPLICATE KEY UPDATE beat = VALUES(beat), host = VALUES(host), port = VALUES(port),
         server_id = VALUES(server_id), started_s = VALUES(started_s),
         server_incarnation = VALUES(server_incarnation), kept_at = VALUES(kept_at)`,
      [urlsDb, beat, host, port, serverId, startedS, incarnation, epoch],
    ),
  );
  if (affectedRows === 0) await refuseIfFenced(db, epoch);
}
