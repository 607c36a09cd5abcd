import { naturally } from '../natural-order.ts';
import { plainBlock, stateWord, tableBlock, type Block } from './block.ts';
import { quantileOf, sumOfRates } from './figures.ts';
import { html, type Html } from './html.ts';
import { mapperUrlsOf } from './members.ts';
import type { Headline } from './headline.ts';
import type { Facts, MemberSeen, Rates, Seen } from './seen.ts';
import { drainOf } from './store-blocks.ts';
import { about, count, latency, left, namesOf, rate, roughly, several } from './words.ts';

/** What is wrong, before everything else. */
export function alarmsBlock({ state, title, alarms, faults, silent }: Headline): Block {
  const said = [...alarms, ...faults];
  return plainBlock(
    'alarms',
    html`<section id="alarms" class="${state}" aria-labelledby="alarms-title">
      <h2 id="alarms-title">${stateWord(state, title)}</h2>
      ${
        said.length > 0 &&
        html`<ul>
          ${said.map(({ parts, sentence }) => html`<li><strong>${parts.join(', ')}</strong> ${sentence}</li>`)}
        </ul>`
      }
      ${silent.length > 0 && html`<p>No answer from ${silent.join(', ')}.</p>`}
    </section>`,
  );
}

/** What it is, how much, and of what. */
type Tile = readonly [string, string | Html, string];

/** The figures of the whole cluster. */
export function figuresBlock(facts: Facts, seen: Seen): Block {
  const { members = [] } = seen;
  const reporting = members.flatMap(({ rates }) => rates ?? []);
  const rates = reporting.length === 0 ? undefined : sumOfRates(reporting);
  const failed = rates && rates.perSecond.failed + rates.perSecond.lost;
  const tiles: Tile[] = [
    ['Links made', rate(rates?.perSecond.created), 'a second'],
    ['Links followed', rate(rates?.perSecond.followed), 'a second'],
    ['Failed', rate(failed), 'a second'],
    ['Shorten, p99', latency(quantile(rates, 'shorten')), medianOf(rates, 'shorten')],
    ['Redirect, p99', latency(quantile(rates, 'redirect')), medianOf(rates, 'redirect')],
    ...(facts.keySource === 'pools' ? keyTiles(facts, seen) : counterTiles(seen)),
  ];
  return {
    id: 'figures',
    rows: tiles.map(([name, value, unit], index) => ({
      id: `figures-${index}`,
      html: html`<div id="figures-${index}">
        <dt>${name}</dt>
        <dd><b>${value}</b> <span>${unit}</span></dd>
      </div>`,
    })),
    frame: (rows) =>
      html`<section id="figures" aria-labelledby="figures-title">
        <h2 id="figures-title">Now</h2>
        <dl class="tiles">${rows}</dl>
      </section>`,
  };
}

/** What is ready and in stock. Of a store that does not answer nobody knows, so it is no 0. */
function keyTiles({ pools: names, shards }: Facts, seen: Seen): Tile[] {
  const { members = [], pools = [], keysDbs = [] } = seen;
  const levels = pools.flatMap(({ level }) => level ?? []);
  const unused = keysDbs.flatMap((keysDb) => keysDb.unused ?? []);
  const ready = sum(levels);
  const drain = drainOf(seen);
  const isDrainKnown = members.some((member) => member.drain !== null || member.rates !== undefined);
  const lasting = drain > 0 ? `empty in ${left(ready / drain)} without refills` : 'nothing takes any';
  return [
    [
      'Keys in the pools',
      levels.length === 0 ? '–' : count(ready),
      ofThose(seen.pools && levels.length, names.length, 'pool') ??
        (isDrainKnown ? lasting : 'ready to be taken'),
    ],
    [
      'Unused keys',
      unused.length === 0 ? '–' : large(sum(unused)),
      ofThose(seen.keysDbs && unused.length, shards.length, 'keys-db') ?? 'in the keys-dbs',
    ],
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Of how many stores a sum is. Undefined: of all. @param answering undefined: none was asked yet */
function ofThose(answering: number | undefined, all: number, what: string): string | undefined {
  if (answering === undefined) return 'not read yet';
  if (answering >= all) return undefined;
  return answering === 0 ? `no ${what} answers` : `in ${answering} of ${several(all, what)}`;
}

/** What mappers have left, and what nobody has reserved yet. */
function counterTiles({ members = [], counter }: Seen): Tile[] {
  const held = members.flatMap((member) => member.held ?? []);
  const free =
    counter === undefined || counter.reserved === null ? null : counter.capacity - counter.reserved;
  return [
    ['Keys in the mappers', held.length === 0 ? '–' : roughly(sum(held)), 'not used yet'],
    ['Ids left', free === null ? '–' : large(free), 'not reserved yet'],
  ];
}

/** `75.2 million`, with the word in small letters: a narrow tile has no room for it in larger ones. */
function large(value: number): Html {
  const [number = '', word] = about(value).split(' ');
  return html`${number}${word !== undefined && html` <small>${word}</small>`}`;
}

function quantile(rates: Rates | undefined, name: 'shorten' | 'redirect', at = 0.99): number | undefined {
  return rates === undefined ? undefined : quantileOf(rates.latencies[name], at);
}

function medianOf(rates: Rates | undefined, name: 'shorten' | 'redirect'): string {
  const median = quantile(rates, name, 0.5);
  return median === undefined ? 'no requests' : `median ${latency(median)}`;
}

/** The producers, with what they hold and deliver. */
export function producersBlock({ cluster, members = [] }: Seen): Block {
  const reports = new Map(
    members.filter(({ kind }) => kind === 'producer').map((member) => [member.id, member]),
  );
  return tableBlock(
    {
      id: 'producers',
      title: 'Producers',
      none:
        whyUnknown([cluster]) ??
        'No producer runs, so no key is generated or delivered. Mappers go on with the keys in the pools.',
      columns: [
        { title: 'Producer' },
        { title: 'State' },
        { title: 'Holds', isFigure: true },
        { title: 'Keys delivered a second', isFigure: true },
        { title: 'Worker pid', isFigure: true },
        { title: 'Supervisor pid', isFigure: true },
      ],
    },
    (cluster?.producers ?? []).map(({ id, shards, capacity, drained, workerPid, supervisorPid }) => ({
      name: id,
      cells: [
        id,
        drained ? stateWord('warn', 'drained') : stateOf(reports.get(id)),
        `${shards.length} of ${capacity}`,
        rate(reports.get(id)?.rates?.perSecond.delivered),
        workerPid,
        supervisorPid,
      ],
    })),
  );
}

/** The mappers, with what they answer. */
export function mappersBlock({ id: ownId, kind: ownKind, keySource }: Facts, seen: Seen): Block {
  const reports = (seen.members ?? []).filter(({ kind }) => kind === 'mapper');
  const urls = mapperUrlsOf(seen);
  const hasCounter = keySource === 'counter';
  const known = new Map(reports.map((member) => [member.id, member]));
  const ids = new Set([...urls.keys(), ...known.keys(), ...(ownKind === 'mapper' ? [ownId] : [])]);
  return tableBlock(
    {
      id: 'mappers',
      title: 'Mappers',
      note: whoCounts(hasCounter ? [] : reports),
      none:
        whyUnknown([seen.cluster, seen.registry]) ??
        'No mapper is known, so nobody makes or follows links. A mapper is listed some seconds after its start; one that cannot reach ZooKeeper serves too, and is not listed.',
      columns: [
        { title: 'Mapper' },
        { title: 'State' },
        { title: 'Links made a second', isFigure: true },
        { title: 'Followed a second', isFigure: true },
        { title: 'Shorten, p99', isFigure: true },
        { title: 'Redirect, p99', isFigure: true },
        ...(hasCounter ? [{ title: 'Keys left', isFigure: true }] : []),
        { title: 'Address' },
      ],
    },
    [...ids].sort(naturally).map((id) => {
      const rates = known.get(id)?.rates;
      const held = known.get(id)?.held ?? null;
      return {
        name: id,
        cells: [
          id,
          stateOf(known.get(id)),
          rate(rates?.perSecond.created),
          rate(rates?.perSecond.followed),
          latency(quantile(rates, 'shorten')),
          latency(quantile(rates, 'redirect')),
          ...(hasCounter ? [held === null ? undefined : roughly(held)] : []),
          urls.get(id),
        ],
      };
    }),
  );
}

/**
 * Why an empty list of members says nothing. Undefined: there are none.
 * @param named those that name them
 */
function whyUnknown(named: readonly ({ readonly problem: string | null } | undefined)[]): string | undefined {
  const told = named.filter((one) => one !== undefined);
  if (told.length === 0) return 'Not read yet.';
  return told.some(({ problem }) => problem !== null)
    ? 'Nobody knows: the store that lists them does not answer.'
    : undefined;
}

/** In a cluster with pools, mappers have a counter only while it grows, or shrinks back. */
function whoCounts(mappers: readonly MemberSeen[]): Html | undefined {
  const counting = mappers.filter(({ held }) => held !== null).map(({ id }) => id);
  if (counting.length === 0) return undefined;
  const [verb, their] = counting.length === 1 ? ['takes', 'its'] : ['take', 'their'];
  return html`<p>
    This cluster grows: ${namesOf(counting)} still ${verb} ${their} keys from the counter, and not from the pools.
    What is left to do: ./scripts/keymill grow
  </p>`;
}

function stateOf(member: MemberSeen | undefined): Html {
  if (member === undefined) return stateWord('unknown', 'not asked yet');
  if (member.problem !== null)
    return html`${stateWord('bad', 'no answer')} <span class="quiet">${member.problem}</span>`;
  if (!member.isReady) return stateWord('bad', 'not ready');
  if (member.unusable.length > 0) return stateWord('warn', `without ${member.unusable.join(', ')}`);
  return stateWord('good', 'ready');
}
