import { randomBytes } from 'node:crypto';
import { HOUR_MS, type Counts, type LinkClicks, type ValueClicks } from '../../db/clicks/click-flush.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { WantsEvents } from '../../db/outbox/link-events.ts';
import { toOutboxInsert, type OutboxEvent } from '../../db/outbox/outbox.ts';

type LinkDimension = ValueClicks['dimension'];

/** Clicks of a link that has an owner. */
interface OwnedClicks {
  readonly ownerId: bigint;
  readonly link: LinkClicks;
}

interface CountedValue extends Counts {
  readonly value: string;
}

/** The clicks of a link in the body of an event, in the words of `GET /urls/{key}/stats`. */
export interface ClickedLink extends Readonly<Record<LinkDimension, readonly CountedValue[]>> {
  readonly unique_id: string;
  readonly clicks: Counts & { readonly total: number };
  /** Each hour in UTC with a click. */
  readonly time: readonly (Counts & { readonly at: string })[];
}

/** Links in one event: the body of one has some 10 kB then, and rarely 1 MB. */
const MAX_LINKS = 100;
/** Of each dimension, the most frequent ones. */
const MAX_VALUES = 20;

/**
 * The statements that write the events of a flush of clicks. An owner hears of all his links of a flush
 * together: a request for each of them would be too many for him.
 * @param owned the links of the flush that have an owner
 */
export function toClickedEvents(owned: readonly OwnedClicks[], wantsClicks: WantsEvents): string[] {
  const wanted = owned.filter(({ ownerId }) => wantsClicks(ownerId));
  if (wanted.length === 0) return [];
  const events = [...Map.groupBy(wanted, ({ ownerId }) => ownerId)].flatMap(([ownerId, ofOwner]) =>
    [...piecesOf(ofOwner)].map((piece) => toEvent(ownerId, piece)),
  );
  return [toOutboxInsert(events)];
}

function* piecesOf(links: readonly OwnedClicks[]): Generator<readonly OwnedClicks[]> {
  for (let at = 0; at < links.length; at += MAX_LINKS) yield links.slice(at, at + MAX_LINKS);
}

function toEvent(userId: bigint, owned: readonly OwnedClicks[]): OutboxEvent {
  return {
    // The transaction of a flush happens once, so an id of an earlier attempt is never seen.
    id: randomBytes(16).toString('hex'),
    slot: slotOf(owned[0]?.link.key ?? ''),
    userId,
    event: 'link.clicked',
    body: JSON.stringify(owned.map(({ link }) => toClickedLink(link))),
  };
}

function toClickedLink({ key, hours, values }: LinkClicks): ClickedLink {
  const byDimension = Map.groupBy(values, ({ dimension }) => dimension);
  const by = (dimension: LinkDimension): CountedValue[] => mostFrequent(byDimension.get(dimension) ?? []);
  const { humans, bots } = sumOf(hours);
  return {
    unique_id: key,
    clicks: { total: humans + bots, humans, bots },
    time: hours.map((counts) => ({ at: new Date(counts.hour * HOUR_MS).toISOString(), ...sumOf([counts]) })),
    referrer: by('referrer'),
    country: by('country'),
    language: by('language'),
    browser: by('browser'),
    os: by('os'),
    device: by('device'),
  };
}

/** Whatever their day. */
function mostFrequent(values: readonly ValueClicks[]): CountedValue[] {
  return [...Map.groupBy(values, ({ value }) => value)]
    .map(([value, counts]) => ({ value, ...sumOf(counts) }))
    .sort((a, b) => b.humans + b.bots - a.humans - a.bots || (a.value < b.value ? -1 : 1))
    .slice(0, MAX_VALUES);
}

function sumOf(counts: readonly Counts[]): Counts {
  return {
    humans: counts.reduce((sum, { humans }) => sum + humans, 0),
    bots: counts.reduce((sum, { bots }) => sum + bots, 0),
  };
}
