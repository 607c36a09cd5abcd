import { ageOf, plainBlock, stateWord, tableBlock, timeOf, type Block } from './block.ts';
import { handOversOf, inOrder, spansOf, type Span } from './hand-overs.ts';
import { html, type Html } from './html.ts';
import type { Facts, Seen, TimelineEvent } from './seen.ts';
import { TIMELINE_MS } from './timeline.ts';
import { roughly, several, short } from './words.ts';

/** Colours of holders; after that many they repeat. */
const COLOURS = 8;
/** The lanes move in steps: a lane of 1,000 pixels is drawn as often as it moves by three of them. */
const LANE_STEP_MS = 10_000;
/** The newest changes, which a person can read at a glance. */
const MAX_LISTED = 20;

/** Where the lanes end. */
export function laneEndOf(nowMs: number): number {
  return Math.ceil(nowMs / LANE_STEP_MS) * LANE_STEP_MS;
}

/** Each shard with its holder, its stock of keys, and who held it within the last hour. */
export function shardsBlock(
  facts: Facts,
  { cluster, keysDbs = [] }: Seen,
  events: readonly TimelineEvent[],
  { nowMs, laneMs }: { readonly nowMs: number; readonly laneMs: number },
): Block {
  const locks = new Map(cluster?.locks.map((lock) => [lock.shard, lock]));
  const stock = new Map(keysDbs.map((keysDb) => [keysDb.name, keysDb]));
  const byShard = Map.groupBy(events, ({ subject }) => subject);
  const colourOf = colours(facts, cluster, events);
  const isKnown = cluster !== undefined && cluster.problem === null;
  return tableBlock(
    {
      id: 'shards',
      title: 'Shards',
      columns: [
        { title: 'Shard' },
        { title: 'Holder' },
        { title: 'Epoch', isFigure: true },
        { title: 'Held for' },
        { title: 'Unused keys', isFigure: true },
        { title: 'The last hour' },
      ],
    },
    facts.shards.map((shard) => {
      const lock = locks.get(shard);
      const owner = lock?.owner ?? null;
      const keysDb = stock.get(shard);
      const isFree = isKnown && owner === null;
      return {
        name: shard,
        cells: [
          shard,
          isFree
            ? stateWord('bad', 'free')
            : owner === null
              ? stateWord('unknown', 'unknown')
              : html`<span
                  ><span class="swatch c${colourOf(owner)}" aria-hidden="true"></span> ${owner}</span
                >`,
          lock?.epoch ?? undefined,
          // The block moves in the steps of its lanes, and need not be drawn more often.
          ageOf(lock?.since ?? null, laneMs - LANE_STEP_MS),
          keysDb === undefined
            ? undefined
            : keysDb.claimed === null
              ? stateWord('bad', 'no answer')
              : roughly(keysDb.unused ?? 0),
          laneOf(spansOf(byShard.get(shard) ?? [], lock, nowMs), laneMs, colourOf),
        ],
        ...(isFree && { state: 'alarming' }),
      };
    }),
  );
}

/** Every holder has the same colour in all lanes, as far as there are colours. */
function colours(
  { kind, id }: Facts,
  cluster: Seen['cluster'],
  events: readonly TimelineEvent[],
): (owner: string) => number {
  const names = new Set([
    ...(cluster?.producers.map((producer) => producer.id) ?? []),
    ...(kind === 'producer' ? [id] : []),
    ...events.flatMap((event) => (event.kind === 'taken' || event.kind === 'freed' ? [event.what] : [])),
  ]);
  const order = [...names].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return (owner) => Math.max(0, order.indexOf(owner)) % COLOURS;
}

/** A bar of an hour. What nobody held is empty. */
function laneOf(spans: readonly Span[], endMs: number, colourOf: (owner: string) => number): Html {
  const placeOf = (ms: number): number =>
    Math.min(3_600, Math.max(0, Math.round((ms - endMs + TIMELINE_MS) / 1_000)));
  const said = spans
    .map(({ owner, epoch }) => (epoch === null ? owner : `${owner} (epoch ${epoch})`))
    .join(', then ');
  return html`<svg
    class="lane"
    role="img"
    aria-label="Held by ${said === '' ? 'nobody' : said}"
    viewBox="0 0 3600 10"
    preserveAspectRatio="none"
  >
    ${spans.map(({ owner, fromMs, toMs }, index) => {
      const from = placeOf(fromMs);
      const to = index === spans.length - 1 && endMs - toMs <= LANE_STEP_MS ? 3_600 : placeOf(toMs);
      return html`<rect
          class="c${colourOf(owner)}"
          x="${from}"
          y="0"
          width="${Math.max(6, to - from)}"
          height="10"
        />${
          index > 0 && html`<rect class="cut" x="${Math.max(0, from - 4)}" y="0" width="8" height="10" />`
        }`;
    })}
  </svg>`;
}

/** What has happened, the newest first. */
export function eventsBlock(events: readonly TimelineEvent[]): Block {
  const said = sentencesOf(events);
  return {
    id: 'events',
    rows: said.slice(0, MAX_LISTED).map(({ atMs, part, sentence }, index) => ({
      id: `events-${index}`,
      html: html`<li id="events-${index}">${timeOf(atMs)} <strong>${part}</strong> ${sentence}</li>`,
    })),
    frame: (rows) =>
      html`<section id="events" aria-labelledby="events-title">
        <h2 id="events-title">The last hour</h2>
        ${
          rows.length === 0
            ? html`<p>Nothing has changed.</p>`
            : html`<ol class="events">
                ${rows}
              </ol>`
        }
        ${notListed(said.length - MAX_LISTED)}
      </section>`,
  };
}

function notListed(number: number): Html | false {
  if (number <= 0) return false;
  return html`<p class="quiet">${several(number, 'older change')} ${number === 1 ? 'is' : 'are'} not listed.</p>`;
}

export interface Sentence {
  readonly atMs: number;
  readonly part: string;
  readonly sentence: string;
}

/** The newest first. */
export function sentencesOf(events: readonly TimelineEvent[]): Sentence[] {
  const shards = handOversOf(events).map(({ atMs, shard, from, to, epoch, freeMs }) => ({
    atMs,
    part: shard,
    sentence: [
      from === null
        ? `is held by ${to}`
        : from === to
          ? `is held by ${to} again`
          : `moved from ${from} to ${to}`,
      epoch === null ? '' : `, epoch ${epoch}`,
      freeMs === null ? '' : `, after ${short(freeMs)} without a holder`,
    ].join(''),
  }));
  const others = events
    .filter(({ kind }) => ['away', 'back', 'wiped', 'adopted'].includes(kind))
    .map(({ atMs, subject, what }) => ({ atMs, part: subject, sentence: what }));
  const free = freeNow(events);
  return [...shards, ...others, ...free].sort((a, b) => b.atMs - a.atMs);
}

/** Shards that were given back or lost, and that nobody has taken since. */
function freeNow(events: readonly TimelineEvent[]): Sentence[] {
  const last = new Map<string, TimelineEvent>();
  for (const event of inOrder(events))
    if (event.kind === 'taken' || event.kind === 'freed') last.set(event.subject, event);
  return [...last.values()]
    .filter(({ kind }) => kind === 'freed')
    .map(({ atMs, subject, what }) => ({ atMs, part: subject, sentence: `lost its holder ${what}` }));
}

/** What a cluster of this shape cannot do. */
export function missingBlock(sentences: readonly string[]): Block {
  return plainBlock(
    'missing',
    html`<section id="missing" aria-labelledby="missing-title">
      <h2 id="missing-title">A small cluster</h2>
      ${sentences.map((sentence) => html`<p>${sentence}</p>`)}
    </section>`,
  );
}
