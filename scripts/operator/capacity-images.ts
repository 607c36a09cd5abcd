import { imageTarget, type ImageFacts } from '../../db/urls/image-facts.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import { note, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatFigure } from '../../runtime/terminal/units.ts';
import {
  planImages,
  type ImageDemand,
  type ImagesPlan,
  type MeasuredImages,
} from './capacity-images-plan.ts';
import { benchFigure, decodingFigure, readMeasured, type Sourced } from './capacity-measured.ts';
import { formatBytes } from './sources/bytes.ts';

/** The options of `capacity` that images use. */
export interface ImageOptions {
  readonly users: number;
  readonly postingShare: number;
  readonly imageMb: number;
  readonly years: number;
  readonly readsPerWrite: number;
  readonly peakFactor: number;
  readonly thumbnailShare: number;
  readonly frontShare: number;
  readonly frontKeeps: number;
  readonly memoryShare: number;
  readonly utilisation: number;
  readonly rowBytes?: number | undefined;
  readonly decodeMs?: number | undefined;
  readonly json?: true;
}

type SourcedImages = Readonly<Record<keyof MeasuredImages, Sourced>>;

/** The targets of the links whose rows were measured. */
const MEASURED_TARGET = 48;

/** Prints how large a cluster must be for its images. */
export async function printImagesPlan(terminal: Terminal, options: ImageOptions): Promise<void> {
  const { imageMb, json, rowBytes: _row, decodeMs: _decoding, ...demanded } = options;
  const demand: ImageDemand = { ...demanded, imageBytes: imageMb * 1e6 };
  const figures = await readFigures(terminal, options);
  const measured: MeasuredImages = {
    uploadsPerSecond: figures.uploadsPerSecond.value,
    fromMemoryPerSecond: figures.fromMemoryPerSecond.value,
    fromStorePerSecond: figures.fromStorePerSecond.value,
    decodeMs: figures.decodeMs.value,
    rowBytes: figures.rowBytes.value ?? Number.NaN,
  };
  const plan = planImages(demand, measured);
  if (json) {
    const sources = Object.fromEntries(Object.entries(figures).map(([name, { source }]) => [name, source]));
    printJson(terminal, { demand, measured, sources, plan });
    return;
  }
  printLines(terminal, lines(demand, plan));
  note(terminal, '\nAssumed (each has an option):');
  for (const text of assumptions(demand)) note(terminal, `  ${text}`);
  note(terminal, '\nComputed from:');
  for (const [name, { value, source }] of Object.entries(figures))
    note(terminal, `  ${name}: ${value === null ? 'unknown' : formatFigure(value)} (${source})`);
}

async function readFigures(
  { env }: Terminal,
  { rowBytes, decodeMs }: Pick<ImageOptions, 'rowBytes' | 'decodeMs'>,
): Promise<SourcedImages> {
  const given = (value: number): Sourced => ({ value, source: 'as given' });
  return {
    uploadsPerSecond: benchFigure('image-upload'),
    fromMemoryPerSecond: benchFigure('image-memory'),
    fromStorePerSecond: benchFigure('image-disk'),
    decodeMs: decodeMs === undefined ? decodingFigure() : given(decodeMs),
    rowBytes: rowBytes === undefined ? rowOfImage((await readMeasured(env)).rowBytes) : given(rowBytes),
  };
}

/** A link, and besides it what makes it an image. */
function rowOfImage({ value, source }: Sourced): Sourced {
  const hash = '0'.repeat(64);
  const image: ImageFacts = {
    type: 'jpeg',
    width: 4_000,
    height: 3_000,
    bytes: 1_000_000,
    sha256: hash,
    deleteTokenHash: hash,
  };
  const more = JSON.stringify({ image }).length + imageTarget(hash).length - MEASURED_TARGET;
  return { value: value === null ? null : value + more, source: `${source}, and ${more} bytes of facts` };
}

const UNKNOWN = 'unknown: it is not measured yet';

function lines(demand: ImageDemand, plan: ImagesPlan): string[] {
  const { writesPerSecond, readsPerSecond, store, bandwidth, front, rows } = plan;
  const table: [string, string][] = [
    ['uploads', `${rate(writesPerSecond.average)} on average, ${rate(writesPerSecond.peak)} at the peak`],
    ['reads', `${rate(readsPerSecond.average)} on average, ${rate(readsPerSecond.peak)} at the peak`],
    ['images', `${formatFigure(plan.images)} after ${formatFigure(demand.years)} years`],
    [
      'store',
      `${formatBytes(store.imageBytes)} of images, ${formatBytes(store.withThumbnailBytes)} with thumbnails; ${formatBytes(store.perDayBytes)} more each day`,
    ],
    [
      'bandwidth',
      `at the peak ${bits(bandwidth.inPeak)} in, ${bits(bandwidth.outPeak)} out to clients, ${bits(bandwidth.toFrontPeak)} of it from mappers`,
    ],
    [
      'front cache',
      front.hitShare === 0
        ? 'none'
        : `answers ${percent(front.hitShare)} of the reads (assumed), with ${formatBytes(front.bytes)} on disk`,
    ],
    ['mappers', plan.mapperProcesses === null ? UNKNOWN : `${plan.mapperProcesses} processes`],
    ['decoders', plan.decoderCores === null ? UNKNOWN : `${plan.decoderCores} cores`],
    ['rows', `${formatFigure(rows.count)} in MySQL, ${formatBytes(rows.bytes)}`],
  ];
  return formatTable([{ title: 'what' }, { title: 'how much' }], table);
}

function assumptions(demand: ImageDemand): string[] {
  return [
    `${formatFigure(demand.users)} users; ${percent(demand.postingShare)} of them post an image on a day, of ${formatBytes(demand.imageBytes)}`,
    `${formatFigure(demand.readsPerWrite)} reads for each upload; the peak is ${formatFigure(demand.peakFactor)} times the average`,
    `thumbnails add ${percent(demand.thumbnailShare)} to the bytes of images`,
    `a front cache answers ${percent(demand.frontShare)} of the reads, and keeps the bytes of ${percent(demand.frontKeeps)} of a day's reads`,
    `mappers answer ${percent(demand.memoryShare)} of the others from memory`,
    `${percent(demand.utilisation)} of a measured rate are planned with`,
  ];
}

function rate(perSecond: number): string {
  return `${formatFigure(perSecond)}/s`;
}

function bits(perSecond: number): string {
  return `${formatFigure(perSecond / 1e9)} Gbit/s`;
}

function percent(part: number): string {
  return `${Number((part * 100).toPrecision(3))} %`;
}
