import type { KeysDb } from '../keys-db/keys-db.ts';
import { openAlarms } from '../keys-db/write-offs.ts';
import type { UrlsDb } from '../urls/links.ts';
import { judgeServer } from './server-change.ts';

/**
 * Why a row that is missing on a urls server may have been there: the server has gone back to an earlier
 * state, was started again, or nobody watches it. It only reads. Ask after the rows were read.
 *
 * A server without producers and keys-dbs is watched by nobody, and then nothing speaks against it.
 *
 * @returns undefined: what is missing now was never there
 * @throws StoreUnavailableError, ImpossibleValueError: nobody can say
 */
export async function whyRowsMayBeLost(
  keysDbs: readonly Pick<KeysDb, 'name' | 'keptMarks' | 'writeOffs'>[],
  urlsDbs: readonly Pick<UrlsDb, 'name' | 'mark'>[],
): Promise<string | undefined> {
  for (const keysDb of keysDbs) {
    // Before the servers are read: a mark of theirs that is lower than a kept one has gone back.
    const kept = await keysDb.keptMarks();
    const alarms = openAlarms((await keysDb.writeOffs()).writeOffs);
    for (const { name } of urlsDbs) {
      const alarm = alarms.get(name);
      if (alarm !== undefined) return `${name} has gone back: ${alarm.reason}`;
    }
    const marks = await Promise.all(urlsDbs.map(async (urlsDb) => urlsDb.mark(keysDb.name)));
    for (const [index, { name }] of urlsDbs.entries()) {
      const mark = marks[index];
      const change = mark && judgeServer(kept.get(name), mark);
      if (change?.kind === 'new' || change === undefined) return `no producer watches ${name} yet`;
      if (change.kind !== 'same') return `${name} has changed: ${change.reason}`;
    }
  }
  return undefined;
}
