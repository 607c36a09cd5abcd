import { slotOf } from '../../../db/keyspace/placement.ts';
import { DIMENSIONS, type Dimension } from '../../../db/clicks/dimensions.ts';
import { Sketch } from '../../../db/clicks/sketch.ts';
import type { World } from '../world.ts';

type Counts = readonly [humans: number, bots: number];

/** Clicks as they are stored. Times are UTC: `2026-11-28 10:00:00` and `2026-11-28`. */
export interface Counted {
  readonly hours?: Readonly<Record<string, Counts>>;
  readonly days?: Readonly<Record<string, Counts>>;
  /** What an earlier release has counted. */
  readonly inbox?: Readonly<Record<string, number>>;
  readonly values?: readonly (readonly [dimension: Dimension, day: string, value: string, ...Counts])[];
  /** Sums of closed months. */
  readonly months?: readonly (readonly [dimension: Dimension, month: string, value: string, ...Counts])[];
  /** The first days of complete months. */
  readonly closed?: readonly string[];
  /** By source, the visitors of open days. */
  readonly visitors?: readonly (readonly [day: string, source: string, sketch: Sketch])[];
  readonly visitorDays?: Readonly<Record<string, number>>;
}

/** A sketch with visitors that no other begin has. */
export function sketchOf(count: number, begin = 0): Sketch {
  const sketch = new Sketch();
  for (let visitor = begin; visitor < begin + count; visitor += 1)
    sketch.add(Math.imul(visitor + 1, 0x9e37_79b1) >>> 0, Math.imul(visitor + 7, 0x85eb_ca6b) >>> 0);
  return sketch;
}

/** Stores clicks of a link, or of an owner on the server with this index. */
export async function storeClicks(
  { urls }: Pick<World, 'urls'>,
  subject: { readonly key: string } | { readonly userId: bigint; readonly server: number },
  { hours, days, inbox, values, months, closed, visitors, visitorDays }: Counted,
): Promise<void> {
  const isLink = 'key' in subject;
  const slot = isLink ? slotOf(subject.key) : 0;
  const server = isLink ? urls.find(({ slots }) => slots.includes(slot)) : urls[subject.server];
  const prefix = isLink ? 'click' : 'owner';
  const of = isLink ? [slot, subject.key] : [String(subject.userId)];
  const insert = async (table: string, rows: readonly (readonly unknown[])[]): Promise<void> => {
    if (rows.length === 0) return;
    await server?.sql.query(`INSERT INTO ${table} VALUES ?`, [rows.map((row) => [...of, ...row])]);
  };
  await insert(`${prefix}_hours`, toRows(hours));
  await insert(`${prefix}_days`, toRows(days));
  await insert('clicks', Object.entries(inbox ?? {}));
  await insert(
    `${prefix}_values`,
    (values ?? []).map(([dimension, ...row]) => [DIMENSIONS[dimension], ...row]),
  );
  await insert(`${prefix}_months`, [
    ...(months ?? []).map(([dimension, ...row]) => [DIMENSIONS[dimension], ...row]),
    ...(closed ?? []).map((month) => [0, month, '', 0, 0]),
  ]);
  await insert(
    `${prefix}_visitors`,
    (visitors ?? []).map(([day, source, sketch]) => [day, source, sketch.toBytes()]),
  );
  await insert(`${prefix}_visitor_days`, Object.entries(visitorDays ?? {}));
}

function toRows(counts: Readonly<Record<string, Counts>> = {}): [string, ...Counts][] {
  return Object.entries(counts).map(([at, own]) => [at, ...own]);
}
