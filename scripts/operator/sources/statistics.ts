import { openStatisticsDb } from '../../../db/clicks/statistics-db.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import type { Question } from '../../../mapper/statistics/question.ts';
import { Statistics, type Asking, type ClickStatistics } from '../../../mapper/statistics/statistics.ts';
import type { UrlsDbConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { askOnly } from './ask.ts';

/** A question of years may find nothing in the memory of its server. */
const DEADLINE_MS = 4_000;

/** @returns undefined when there is no such link. @throws UnreachableError */
export async function readStatistics(
  urlsDbs: readonly UrlsDbConfig[],
  link: { readonly key: string; readonly slot: number },
  question: Question,
): Promise<Asking<ClickStatistics> | undefined> {
  const config = urlsDbs.find(({ slots }) => slots.includes(link.slot));
  if (config === undefined) throw new RangeError(`no urls server has slot ${link.slot}`);
  await using stack = new AsyncDisposableStack();
  const urlsDb = openUrlsDb({ ...config, log: QUIET_LOG, connections: 1 });
  stack.defer(async () => urlsDb.close());
  const db = openStatisticsDb(config);
  stack.defer(async () => db.close());
  const statistics = new Statistics([{ db, slots: config.slots, isUp: () => true }]);
  return await askOnly(
    config.name,
    async () => {
      const [stored] = await urlsDb.find([link.key]);
      return stored === undefined ? undefined : statistics.ofLink(link, question);
    },
    DEADLINE_MS,
  );
}
