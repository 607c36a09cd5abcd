import { InvalidArgumentError, type Command } from 'commander';
import { DEFAULTS } from '../../runtime/config/config.ts';
import { SLOT_COUNT } from '../../runtime/config/slots.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import {
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { formatFigure } from '../../runtime/terminal/units.ts';
import { printImagesPlan, type ImageOptions } from './capacity-images.ts';
import { readMeasured, type SourcedFigures } from './capacity-measured.ts';
import { planCapacity, type CapacityPlan, type Demand, type Measured } from './capacity-plan.ts';

const TB = 1e12;
const TIB = 2 ** 40;
const GIB = 2 ** 30;

interface Options extends Omit<Demand, 'shardBytes' | 'regionBits' | 'years'>, Omit<ImageOptions, 'years'> {
  readonly images?: true;
  readonly years?: number;
  readonly shardTb: number;
  readonly rowBytes?: number;
  readonly json?: true;
}

const LINK_YEARS = 10;
const IMAGE_YEARS = 3;

export function addCapacityCommand(program: Command, terminal: Terminal): void {
  program
    .command('capacity')
    .description(
      'Computes the size of a cluster for a given demand. It uses measured figures: the size of a row in the running ' +
        'cluster (if it has enough links), and the rates and sizes in docs/figures/benchmarks.json. docs/capacity.md explains ' +
        'each line.',
    )
    .option('--links-per-year <n>', 'new links in a year', positive, 2e9)
    .option(
      '--years <n>',
      `how long they are kept (default: links ${LINK_YEARS}, images ${IMAGE_YEARS})`,
      positive,
    )
    .option('--reads-per-write <n>', 'redirects for each new link, reads for each new image', positive, 5)
    .option('--peak-factor <n>', 'the busiest moment ÷ the average', atLeastOne, 3)
    .option('--row-bytes <n>', 'size of a stored link (default: measured)', positive)
    .option('--cache-share <share>', 'share of all links to keep in memory', share, 0.2)
    .option('--shards <n>', 'machines for the links', atLeastOne, SLOT_COUNT)
    .option('--shard-tb <n>', 'capacity of each machine in TB (10^12 B)', positive, 2)
    .option('--redis-shards <n>', 'Redis servers, one key pool each', atLeastOne, 4)
    .option('--keys-dbs <n>', 'keys-db shards', atLeastOne, 4)
    .option('--key-length <n>', 'characters of a key, 6 to 10', keyLength, 8)
    .option('--utilisation <share>', 'share of a measured rate to plan with', share, 0.5)
    .option('--images', 'compute what images need, with the options below')
    .option('--users <n>', 'users', positive, 1e8)
    .option('--posting-share <share>', 'share of the users who post an image on a day', share, 0.2)
    .option('--image-mb <n>', 'size of an image in MB (10^6 B)', positive, 1)
    .option('--thumbnail-share <share>', 'bytes of all thumbnails of an image ÷ its own', part, 0.15)
    .option('--front-share <share>', 'share of the reads that a cache in front answers; 0: none', part, 0.8)
    .option('--front-keeps <share>', "share of a day's reads whose bytes it keeps", part, 0.2)
    .option('--memory-share <share>', 'share of the other reads that mappers answer from memory', part, 0.2)
    .option('--decode-ms <n>', 'CPU time to decode an image (default: measured)', positive)
    .option('--json', `${ONE_JSON_DOCUMENT}: {"demand","measured","sources","plan"}`)
    .action(async (options: Options, command: Command) => {
      refuseOthers(command, options);
      if (options.images) {
        await printImagesPlan(terminal, imageOptionsOf(options));
        return;
      }
      const figures = await readMeasured(terminal.env);
      const demand = demandOf(options);
      const sources =
        options.rowBytes === undefined
          ? figures
          : { ...figures, rowBytes: { value: options.rowBytes, source: 'as given' } };
      const measured = measuredOf(sources);
      const plan = planCapacity(demand, measured);
      if (options.json) {
        printJson(terminal, { demand, measured, sources: sourcesOf(sources), plan });
        return;
      }
      printLines(terminal, lines(demand, measured, plan));
      note(terminal, '\nComputed from:');
      for (const [name, { value, source }] of Object.entries(sources))
        note(terminal, `  ${name}: ${value === null ? 'unknown' : formatFigure(value)} (${source})`);
    });
}

/** Options that mean something to one of both plans only. */
const OF_LINKS = ['linksPerYear', 'cacheShare', 'shards', 'shardTb', 'redisShards', 'keysDbs', 'keyLength'];
const OF_IMAGES =
  'users postingShare imageMb thumbnailShare frontShare frontKeeps memoryShare decodeMs'.split(' ');

/** The plan would be one for another demand than was given. @throws UsageError */
function refuseOthers(command: Command, { images }: Pick<Options, 'images'>): void {
  const others = images ? OF_LINKS : OF_IMAGES;
  const given = command.options.find(
    (option) =>
      others.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (given === undefined) return;
  throw new UsageError(
    images ? `${given.long} means nothing with --images` : `${given.long} is for --images: give that too`,
  );
}

function demandOf(options: Options): Demand {
  return {
    linksPerYear: options.linksPerYear,
    years: options.years ?? LINK_YEARS,
    readsPerWrite: options.readsPerWrite,
    peakFactor: options.peakFactor,
    cacheShare: options.cacheShare,
    shards: options.shards,
    shardBytes: options.shardTb * TB,
    redisShards: options.redisShards,
    keyLength: options.keyLength,
    keysDbs: options.keysDbs,
    regionBits: options.keyLength >= 8 ? 10 : 4,
    utilisation: options.utilisation,
  };
}

function imageOptionsOf(options: Options): ImageOptions {
  return {
    users: options.users,
    postingShare: options.postingShare,
    imageMb: options.imageMb,
    years: options.years ?? IMAGE_YEARS,
    readsPerWrite: options.readsPerWrite,
    peakFactor: options.peakFactor,
    thumbnailShare: options.thumbnailShare,
    frontShare: options.frontShare,
    frontKeeps: options.frontKeeps,
    memoryShare: options.memoryShare,
    utilisation: options.utilisation,
    rowBytes: options.rowBytes,
    decodeMs: options.decodeMs,
    ...(options.json && { json: true }),
  };
}

function measuredOf(figures: SourcedFigures): Measured {
  return {
    rowBytes: figures.rowBytes.value ?? Number.NaN,
    cacheBytesPerLink: figures.cacheBytesPerLink.value ?? Number.NaN,
    shortensPerSecond: figures.shortensPerSecond.value,
    redirectsPerSecond: figures.redirectsPerSecond.value,
    deliveredPerSecond: figures.deliveredPerSecond.value,
    generatedPerSecond: figures.generatedPerSecond.value,
    pools: DEFAULTS.pools,
    shardsPerProducer: DEFAULTS.capacity,
  };
}

function sourcesOf(figures: SourcedFigures): Record<string, string> {
  return Object.fromEntries(Object.entries(figures).map(([name, { source }]) => [name, source]));
}

function lines(demand: Demand, measured: Measured, plan: CapacityPlan): string[] {
  const { writesPerSecond, readsPerSecond, storage, cache, keySpace, pools } = plan;
  const years = keySpace.yearsUntilExhausted;
  const unknown = 'unknown: a rate is not measured yet';
  const rows: [string, string][] = [
    ['shortens', `${rate(writesPerSecond.average)} on average, ${rate(writesPerSecond.peak)} at the peak`],
    ['redirects', `${rate(readsPerSecond.average)} on average, ${rate(readsPerSecond.peak)} at the peak`],
    ['links', `${formatFigure(plan.links)} after ${formatFigure(demand.years)} years`],
    [
      'storage',
      `${bytes(storage.totalBytes)} in all, ${bytes(storage.perShardBytes)} on each of ${demand.shards} shards`,
    ],
    [
      'shards',
      `${storage.shardsNeeded} of ${bytes(demand.shardBytes)} suffice; ${demand.shards} are full after ${formatFigure(storage.yearsUntilFull)} years`,
    ],
    [
      'cache',
      `${bytes(cache.totalBytes)} in all mappers together, for ${formatFigure(cache.links)} links (${percent(demand.cacheShare)})`,
    ],
    [
      'key space',
      `${percent(keySpace.usedShare)} of ${formatFigure(keySpace.keys)} keys of ${demand.keyLength} characters`,
    ],
    [
      'keys last',
      `${formatFigure(years.configured)} years with ${demand.keysDbs} keys-dbs, ${formatFigure(years.all)} years with as many as possible`,
    ],
    [
      'pools',
      `${formatFigure(pools.low)} to ${formatFigure(pools.high)} keys in each of ${demand.redisShards}; full, they last ${formatFigure(pools.secondsHeld)} s at the peak`,
    ],
    ['mappers', plan.mapperProcesses === null ? unknown : `${plan.mapperProcesses} processes`],
    [
      'producers',
      plan.producers === null
        ? unknown
        : `${plan.producers} with ${measured.shardsPerProducer} shards each; one of them is spare`,
    ],
  ];
  return formatTable([{ title: 'what' }, { title: 'how much' }], rows);
}

function rate(perSecond: number): string {
  return `${formatFigure(perSecond)}/s`;
}

function bytes(count: number): string {
  if (count >= TIB) return `${formatFigure(count / TB)} TB`;
  return count >= GIB ? `${formatFigure(count / 1e9)} GB` : `${formatFigure(count / 1e6)} MB`;
}

function percent(part: number): string {
  return `${Number((part * 100).toPrecision(3))} %`;
}

function numberFrom(text: string, [min, max]: readonly [number, number], expected: string): number {
  const number = /^\d+(\.\d+)?(e\d{1,2})?$/i.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new InvalidArgumentError(`Expected ${expected}.`);
}

function positive(text: string): number {
  return numberFrom(text, [Number.MIN_VALUE, 1e15], 'a number above 0, such as 2e9');
}

function atLeastOne(text: string): number {
  return numberFrom(text, [1, 1e6], 'a number of 1 or more');
}

function share(text: string): number {
  return numberFrom(text, [0.001, 1], 'a share above 0 and up to 1, such as 0.2');
}

function part(text: string): number {
  return numberFrom(text, [0, 1], 'a share from 0 to 1, such as 0.8');
}

function keyLength(text: string): number {
  const length = numberFrom(text, [6, 10], 'a whole number from 6 to 10');
  if (!Number.isInteger(length)) throw new InvalidArgumentError('Expected a whole number from 6 to 10.');
  return length;
}
