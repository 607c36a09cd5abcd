import { slotOf } from '../keyspace/placement.ts';
import { toSqlText } from '../mysql/driver.ts';
import { HOUR_MS, type ClickFlush, type Counts, type LinkClicks } from './click-flush.ts';
import { DIMENSIONS } from './dimensions.ts';

/**
 * The statements of the transaction that adds a flush.
 *
 * They are texts: the driver's formatting of every value would delay redirects by milliseconds. All mappers
 * lock rows in the order of the primary keys, so that they seldom deadlock.
 */
export function toStatements(flush: ClickFlush): string[] {
  const links = flush.links
    .map((link) => ({ slot: slotOf(link.key), link }))
    .sort((a, b) => a.slot - b.slot || compareAscii(a.link.key, b.link.key))
    .map(({ slot, link }) => ({ id: `${slot},${toSqlText(link.key)}`, link }));
  return [
    markOf(flush),
    toInsert(
      'click_totals (slot, unique_id',
      links.map(({ id, link }) => `${id},${toSqlCounts(sumOf(link))}`),
    ),
    toInsert(
      'click_hours (slot, unique_id, hour',
      links.flatMap(({ id, link }) =>
        link.hours
          .toSorted((a, b) => a.hour - b.hour)
          .map((hour) => `${id},${toSqlHour(hour.hour)},${toSqlCounts(hour)}`),
      ),
    ),
    ...toValueInserts(links),
  ];
}

/**
 * Adds a flush if and only if it is newer than the last flush of its source. For an older one it sets NULL,
 * which the column forbids, so that the server refuses the statement and with it the transaction.
 */
export function markOf({ source, seq }: Pick<ClickFlush, 'source' | 'seq'>): string {
  return `INSERT INTO click_flushes (source, seq, flushed_at) VALUES (${toSqlText(source)}, ${seq}, UTC_TIMESTAMP(3))
  ON DUPLICATE KEY UPDATE seq = IF(seq < VALUES(seq), VALUES(seq), NULL), flushed_at = VALUES(flushed_at)`;
}

function toValueInserts(links: readonly { readonly id: string; readonly link: LinkClicks }[]): string[] {
  const rows = links.flatMap(({ id, link }) =>
    link.values
      .map((counts) => ({ counts, dimension: DIMENSIONS[counts.dimension] }))
      .sort(
        (a, b) =>
          a.dimension - b.dimension ||
          a.counts.day - b.counts.day ||
          compareAscii(a.counts.value, b.counts.value),
      )
      .map(
        ({ counts, dimension }) =>
          `${id},${dimension},${toSqlDay(counts.day)},${toSqlText(counts.value)},${toSqlCounts(counts)}`,
      ),
  );
  return rows.length === 0 ? [] : [toInsert('click_values (slot, unique_id, dimension, day, value', rows)];
}

function toInsert(columns: string, rows: readonly string[]): string {
  return `INSERT INTO ${columns}, humans, bots) VALUES (${rows.join('),(')})
  ON DUPLICATE KEY UPDATE humans = humans + VALUES(humans), bots = bots + VALUES(bots)`;
}

function sumOf({ hours }: LinkClicks): Counts {
  return hours.reduce((sum, { humans, bots }) => ({ humans: sum.humans + humans, bots: sum.bots + bots }), {
    humans: 0,
    bots: 0,
  });
}

function toSqlCounts({ humans, bots }: Counts): string {
  return `${humans},${bots}`;
}

function toSqlHour(hour: number): string {
  return `'${new Date(hour * HOUR_MS).toISOString().slice(0, 13).replace('T', ' ')}:00:00'`;
}

function toSqlDay(day: number): string {
  return `'${new Date(day * 24 * HOUR_MS).toISOString().slice(0, 10)}'`;
}

/** The order of `ascii_bin`. */
export function compareAscii(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
