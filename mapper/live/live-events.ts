import type { LiveEntry } from '../../db/redis/live-streams.ts';
import { parseJson } from '../../runtime/json.ts';

/** One click, as those who watch a link see it. What is not known, or must not be, is null. */
export interface LiveClick {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly is_bot: boolean;
  readonly referrer: string | null;
  readonly country: string | null;
  readonly language: string | null;
  readonly browser: string | null;
  readonly os: string | null;
  readonly device: string | null;
}

/** How far a watcher has been told the clicks of a link. */
export interface Place {
  /** Of an entry of its stream. */
  readonly id: string;
  /** How many clicks of this entry; undefined: all. */
  readonly told?: number;
}

/** The id of an event, which names a place. */
const PLACE = /^(\d{1,15}-\d{1,15})(?:\.(\d{1,3}))?$/;

/** Reads the id of an event; undefined when it is none of ours. */
export function parsePlace(text: string): Place | undefined {
  const [, id, told] = PLACE.exec(text) ?? [];
  if (id === undefined) return undefined;
  return told === undefined ? { id } : { id, told: Number(told) };
}

/** Whether the entry `id` is later in its stream than `other`. */
export function isAfter(id: string, other: string): boolean {
  const [ms = 0, number = 0] = id.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && number > otherNumber);
}

/** An event of the format of server-sent events (HTML standard, 9.2). */
export function formatEvent(event: string, id: string, data: object): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Gives a client a place without an event. @param retryMs when it should come again after its stream ends */
export function formatBegin(id: string, retryMs: number): string {
  return `retry: ${retryMs}\nid: ${id}\n\n`;
}

/** Sent when there is nothing to tell, so that nobody takes the connection for a dead one. */
export const HEARTBEAT = ':\n\n';

/**
 * The clicks of these entries as at most `maxEvents` events: one for each click, and the last one with the
 * number of all further ones. So the places of all events are in the order of the stream, and a client that
 * has got some of them can go on behind the last.
 * @param toldBefore how many clicks of the first entry were told already
 */
export function formatClicks(entries: readonly LiveEntry[], maxEvents: number, toldBefore = 0): string {
  const { clicks, humans, bots } = readClicks(entries, toldBefore);
  const last = entries.at(-1)?.id;
  if (humans + bots === 0 || last === undefined) return '';
  const isEachTold = clicks.length === humans + bots && clicks.length <= maxEvents;
  const told = isEachTold ? clicks : clicks.slice(0, maxEvents - 1);
  const events = told.map(({ place, click }) => formatEvent('click', place, click));
  if (!isEachTold) {
    const toldBots = told.filter(({ click }) => click.is_bot).length;
    const rest = { humans: humans - (told.length - toldBots), bots: bots - toldBots };
    events.push(formatEvent('more', last, { clicks: rest.humans + rest.bots, ...rest }));
  }
  return events.join('');
}

interface ReadClicks {
  /** Those at the beginning of which something is known, without a gap. */
  readonly clicks: { readonly place: string; readonly click: LiveClick }[];
  readonly humans: number;
  readonly bots: number;
}

function readClicks(entries: readonly LiveEntry[], toldBefore: number): ReadClicks {
  const clicks: ReadClicks['clicks'] = [];
  let hasGap = false;
  let [humans, bots] = [0, 0];
  for (const [index, entry] of entries.entries()) {
    const count = entry.humans + entry.bots;
    const details = parseDetails(entry.details).slice(0, count);
    const toldOfThis = index === 0 ? Math.min(toldBefore, details.length) : 0;
    const toldBots = details.slice(0, toldOfThis).filter(({ is_bot: isBot }) => isBot).length;
    humans += entry.humans - (toldOfThis - toldBots);
    bots += entry.bots - toldBots;
    if (hasGap) continue;
    for (const [at, click] of details.entries())
      if (at >= toldOfThis)
        clicks.push({ place: at + 1 === count ? entry.id : `${entry.id}.${at + 1}`, click });
    hasGap = details.length < count;
  }
  return { clicks, humans, bots };
}

function parseDetails(text: string): LiveClick[] {
  const value = parseJson(text);
  return Array.isArray(value) ? (value as LiveClick[]) : [];
}
