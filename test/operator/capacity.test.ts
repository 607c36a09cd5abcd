import { expect } from 'chai';
import { planCapacity, type Demand, type Measured } from '../../scripts/operator/capacity-plan.ts';
import {
  planImages,
  type ImageDemand,
  type MeasuredImages,
} from '../../scripts/operator/capacity-images-plan.ts';
import { decodingFigure } from '../../scripts/operator/capacity-measured.ts';
import type { RecordedRun } from '../../scripts/figures/bench-record.ts';
import { runKeymill } from './run-keymill.ts';

const DEMAND: Demand = {
  linksPerYear: 31_536_000 * 100,
  years: 10,
  readsPerWrite: 5,
  peakFactor: 4,
  cacheShare: 0.2,
  shards: 32,
  shardBytes: 2e12,
  redisShards: 4,
  keyLength: 8,
  keysDbs: 4,
  regionBits: 10,
  utilisation: 0.5,
};
const MEASURED: Measured = {
  rowBytes: 200,
  cacheBytesPerLink: 500,
  shortensPerSecond: 1_000,
  redirectsPerSecond: 10_000,
  deliveredPerSecond: 400,
  generatedPerSecond: 800,
  pools: { lowFloor: 4_000, highFloor: 10_000, highCeiling: 200_000, minutesHeld: 5 },
  shardsPerProducer: 2,
};

/** [what, computed, by hand] for 100 shortens a second on average. */
const BY_HAND: readonly (readonly [string, (plan: ReturnType<typeof planCapacity>) => unknown, unknown])[] = [
  ['writes', (plan) => plan.writesPerSecond, { average: 100, peak: 400 }],
  ['reads', (plan) => plan.readsPerSecond, { average: 500, peak: 2_000 }],
  ['links', (plan) => plan.links, 31_536_000_000],
  // 31,536,000,000 × 200
  ['storage', (plan) => plan.storage.totalBytes, 6_307_200_000_000],
  ['storage of a shard', (plan) => plan.storage.perShardBytes, 197_100_000_000],
  // 6.3072 TB in shards of 2 TB
  ['shards needed', (plan) => plan.storage.shardsNeeded, 4],
  // 64 TB ÷ 0.63072 TB a year
  ['years until full', (plan) => plan.storage.yearsUntilFull.toFixed(2), '101.47'],
  // a fifth of the links × 500
  ['cache', (plan) => plan.cache, { links: 6_307_200_000, totalBytes: 3_153_600_000_000 }],
  ['keys', (plan) => plan.keySpace.keys, 281_474_976_710_656],
  ['used share', (plan) => plan.keySpace.usedShare.toFixed(8), '0.00011204'],
  // 4 × 2^38 × (62 ÷ 64)² ÷ 3,153,600,000, and 2^48 × (62 ÷ 64)² ÷ the same
  ['keys-dbs last', (plan) => plan.keySpace.yearsUntilExhausted.configured.toFixed(2), '327.20'],
  ['keys last', (plan) => plan.keySpace.yearsUntilExhausted.all.toFixed(0), '83764'],
  // 100 keys/s leave each of 4 pools: 5 minutes are 30,000; low at 0.4 of that; 120,000 ÷ 400
  ['pools', (plan) => plan.pools, { low: 12_000, high: 30_000, secondsHeld: 300 }],
  // 400 ÷ 500 + 2,000 ÷ 5,000 = 1.2
  ['mappers', (plan) => plan.mapperProcesses, 2],
  // 400 ÷ 200 + 400 ÷ 400 = 3; 4 keys-dbs at 2 each and a spare one are 3
  ['producers', (plan) => plan.producers, 3],
];

describe('capacity: the arithmetic', () => {
  for (const [what, of, expected] of BY_HAND) {
    it(`computes ${what} as by hand`, () => {
      expect(of(planCapacity(DEMAND, MEASURED))).to.deep.equal(expected);
    });
  }

  it('gives null for a figure whose rate was never measured', () => {
    const plan = planCapacity(DEMAND, { ...MEASURED, redirectsPerSecond: null, deliveredPerSecond: null });
    expect(plan).to.deep.include({ mapperProcesses: null, producers: null });
  });

  it('adds processes for more work, and a spare producer', () => {
    const busy = planCapacity({ ...DEMAND, readsPerWrite: 500 }, MEASURED);
    // 0.8 + 200,000 ÷ 5,000
    expect(busy.mapperProcesses).to.equal(41);
    expect(planCapacity({ ...DEMAND, keysDbs: 16 }, MEASURED).producers).to.equal(9);
  });
});

const IMAGE_DEMAND: ImageDemand = {
  users: 100e6,
  postingShare: 0.2,
  imageBytes: 1e6,
  years: 3,
  readsPerWrite: 5,
  peakFactor: 2,
  thumbnailShare: 0.1,
  frontShare: 0.8,
  frontKeeps: 0.2,
  memoryShare: 0.5,
  utilisation: 0.5,
};
const MEASURED_IMAGES: MeasuredImages = {
  uploadsPerSecond: 100,
  fromMemoryPerSecond: 1_000,
  fromStorePerSecond: 500,
  decodeMs: 50,
  rowBytes: 400,
};

type ImagesPlan = ReturnType<typeof planImages>;

/** For 100 million users of whom a fifth post an image of 1 MB on a day. */
const IMAGES_BY_HAND: readonly (readonly [string, (plan: ImagesPlan) => unknown, unknown])[] = [
  // 20,000,000 ÷ 86,400
  ['writes', (plan) => plan.writesPerSecond.average.toFixed(1), '231.5'],
  ['reads', (plan) => plan.readsPerSecond.average.toFixed(0), '1157'],
  // 20,000,000 × 365 × 3
  ['images', (plan) => plan.images, 21_900_000_000],
  // 20 TB × 365 × 3 = 21.9 PB, and a tenth more
  ['store', (plan) => plan.store.imageBytes, 21.9e15],
  ['store with thumbnails', (plan) => (plan.store.withThumbnailBytes / 1e15).toFixed(2), '24.09'],
  ['bytes of a day', (plan) => (plan.store.perDayBytes / 1e12).toFixed(2), '22.00'],
  // 462.96 and 2,314.8 images of 8 Mbit
  ['bandwidth in', (plan) => (plan.bandwidth.inPeak / 1e9).toFixed(2), '3.70'],
  ['bandwidth out', (plan) => (plan.bandwidth.outPeak / 1e9).toFixed(2), '18.52'],
  ['bandwidth behind the front cache', (plan) => (plan.bandwidth.toFrontPeak / 1e9).toFixed(2), '3.70'],
  // a fifth of 100 million reads of 1 MB
  ['front cache', (plan) => (plan.front.bytes / 1e12).toFixed(2), '20.00'],
  ['rows', (plan) => plan.rows, { count: 21_900_000_000, bytes: 8.76e12 }],
  // 462.96 ÷ 50 + 231.48 ÷ 500 + 231.48 ÷ 250 = 10.65
  ['mappers', (plan) => plan.mapperProcesses, 11],
  // 462.96 × 0.05 ÷ 0.5 = 46.3
  ['decoders', (plan) => plan.decoderCores, 47],
];

describe('capacity: the arithmetic of images', () => {
  for (const [what, of, expected] of IMAGES_BY_HAND)
    it(`computes ${what} as by hand`, () => {
      expect(of(planImages(IMAGE_DEMAND, MEASURED_IMAGES))).to.deep.equal(expected);
    });

  it('gives null for what was never measured, and needs no figure for what nobody does', () => {
    const unknown = { ...MEASURED_IMAGES, fromStorePerSecond: null, decodeMs: null };
    expect(planImages(IMAGE_DEMAND, unknown)).to.deep.include({ mapperProcesses: null, decoderCores: null });
    expect(planImages({ ...IMAGE_DEMAND, frontShare: 1 }, unknown).mapperProcesses).to.equal(10);
    expect(planImages({ ...IMAGE_DEMAND, frontShare: 0 }, unknown).front).to.deep.equal({
      hitShare: 0,
      bytes: 0,
    });
  });
});

describe('capacity: the CPU time of a decoding', () => {
  const run: RecordedRun = {
    date: '2026-11-29T18:09:24.007Z',
    commit: '',
    command: '',
    machine: '',
    name: 'image-decoding',
    value: 4,
    unit: 'ms',
    baseline: '',
    baselineValue: 2,
    ratio: 2,
    interval: [2, 2],
    control: 1,
    better: 'lower',
    goal: null,
    passed: true,
    judged: 'ratio',
    details: { decoded: 400, decodedSeconds: 10, msEachSecond: { beside: { decoderRanMs: 600 } } },
  };

  it('is what the decoder ran in a second, ÷ the pictures of a second', () => {
    // 600 ms ÷ 40
    expect(decodingFigure({ rows: { 'image-decoding': [run] } })).to.deep.equal({
      value: 15,
      source: 'bench image-decoding, 2026-11-29',
    });
  });

  it('is unknown where no bench has measured it', () => {
    expect(decodingFigure({ rows: {} }).value).to.equal(null);
    expect(decodingFigure({ rows: { 'image-decoding': [{ ...run, details: {} }] } }).value).to.equal(null);
  });
});

describe('keymill capacity', () => {
  const nowhere = { KEYMILL_RUN_DIR: '/nonexistent/keymill' };

  it('--json gives demand, figures with their sources, and the plan', async () => {
    const { exitCode, stdout } = await runKeymill(
      ['capacity', '--links-per-year', '3153600000', '--row-bytes', '200', '--json'],
      nowhere,
    );
    expect(exitCode).to.equal(0);
    const { demand, measured, sources, plan } = JSON.parse(stdout) as {
      demand: Demand;
      measured: Measured;
      sources: Record<string, string>;
      plan: ReturnType<typeof planCapacity>;
    };
    expect(demand.shards).to.equal(32);
    expect(measured.rowBytes).to.equal(200);
    expect(sources['rowBytes']).to.equal('as given');
    expect(plan.storage.totalBytes).to.equal(6_307_200_000_000);
  });

  it('prints the plan as text, with the sources of its figures', async () => {
    const { exitCode, stdout, stderr } = await runKeymill(['capacity'], nowhere);
    expect(exitCode).to.equal(0);
    expect(stdout).to.include('63.4/s on average, 190/s at the peak').and.include('on each of 32 shards');
    expect(stderr).to.match(/rowBytes: \d+ \(.+\)/);
  });

  it('--images gives the figures of the seeds, its assumptions, and says what is unknown', async () => {
    const { exitCode, stdout, stderr } = await runKeymill(['capacity', '--images'], nowhere);
    expect(exitCode).to.equal(0);
    expect(stdout)
      .to.include('231/s on average')
      .and.include('1,157/s on average')
      .and.include('21.9 PB of images');
    expect(stderr).to.include('100,000,000 users; 20 % of them post an image on a day, of 1 MB');
    expect(stdout).to.match(/decoders +\d+ cores/);
    expect(stderr).to.match(/decodeMs: [\d.]+ \(bench image-decoding, /);
    const json = await runKeymill(['capacity', '--images', '--decode-ms', '20', '--json'], nowhere);
    const { sources, plan } = JSON.parse(json.stdout) as {
      sources: Record<string, string>;
      plan: ImagesPlan;
    };
    expect(sources).to.include({ decodeMs: 'as given' });
    expect(plan.decoderCores).to.equal(28);
  });

  for (const [args, reason] of [
    [['--users', '5'], '--users is for --images'],
    [['--images', '--links-per-year', '5'], '--links-per-year means nothing with --images'],
  ] as const)
    it(`refuses ${args.join(' ')}, which would compute another plan`, async () => {
      const { exitCode, stdout, stderr } = await runKeymill(['capacity', ...args], nowhere);
      expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.include(reason);
    });

  for (const [option, value] of [
    ['--front-share', '1.5'],
    ['--image-mb', '0'],
    ['--cache-share', '3'],
    ['--key-length', '7.5'],
    ['--links-per-year', 'many'],
    ['--shards', '0'],
  ] as const) {
    it(`refuses ${option} ${value}`, async () => {
      const { exitCode, stdout, stderr } = await runKeymill(['capacity', option, value], nowhere);
      expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.include(option);
    });
  }
});
