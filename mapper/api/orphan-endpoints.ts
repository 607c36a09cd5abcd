import { z } from 'zod';
import { groupDigits } from '../../runtime/grouped-digits.ts';
import { KEPT_OF_DAY, ORPHAN_STATES } from '../../db/clicks/orphans-db.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { ask } from './link-problems.ts';

/** A day of the calendar in UTC; default: today. */
const day = z
  .string()
  .refine(isDay, { error: 'must be a day, such as 2026-11-28' })
  .optional()
  .meta({ format: 'date', description: 'UTC; default: today' });

function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

export const ORPHAN_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/admin/orphans',
    name: 'listOrphans',
    group: 'Administration',
    summary: 'List the keys that people ask for in vain, most asked first',
    description: `Keys that do not exist or have expired, by how often they were asked for on one day. HEAD and prefetches do not count. ${groupDigits(KEPT_OF_DAY)} of a day are kept, for 90 days; a scan of many made-up keys may displace those that are seldom asked for. With \`KEYMILL_COUNT_CLICKS=false\` none are counted.`,
    access: 'admin',
    query: z.strictObject({
      day,
      state: z
        .enum(ORPHAN_STATES, { error: `must be one of ${ORPHAN_STATES.join(', ')}` })
        .optional()
        .meta({ description: 'default: both' }),
      limit: z
        .string()
        .regex(/^(?:[1-9]\d{0,2}|1000)$/, { error: 'must be a whole number from 1 to 1000' })
        .default('100')
        .transform(Number)
        .meta({ description: 'keys of the answer, 1 to 1000' }),
    }),
    status: 200,
    answer: z
      .object({
        items: z.array(
          z
            .object({ unique_id: z.string(), state: z.enum(ORPHAN_STATES), asked: z.int() })
            .meta({ id: 'Orphan' }),
        ),
        next_cursor: z.null(),
      })
      .meta({ id: 'Orphans' }),
    exampleAnswer: { items: [{ unique_id: 'QFXOHkP8', state: 'unknown', asked: 17 }], next_cursor: null },
    means: 'The keys',
    problems: ['store-down'],
    handle: async ({ orphans }, { query }) => {
      const { limit, state } = query;
      const question = {
        day: query.day ?? new Date().toISOString().slice(0, 10),
        states: state === undefined ? ORPHAN_STATES : [state],
        limit,
      };
      const items = await ask(async () => orphans.top(question));
      return {
        body: {
          items: items.map(({ key, ...orphan }) => ({ unique_id: key, ...orphan })),
          next_cursor: null,
        },
      };
    },
  }),
];
