/** What is posted and looked at. */
export interface ImageDemand {
  readonly users: number;
  /** How many of them post an image on a day. */
  readonly postingShare: number;
  readonly imageBytes: number;
  readonly years: number;
  readonly readsPerWrite: number;
  /** The busiest moment ÷ the average. */
  readonly peakFactor: number;
  /** The bytes of all thumbnails of an image ÷ its own. Thumbnails are made when they are first asked for. */
  readonly thumbnailShare: number;
  /** The share of reads that a front cache or a CDN answers. 0: there is none. */
  readonly frontShare: number;
  /** The share of a day's reads whose bytes that cache keeps. */
  readonly frontKeeps: number;
  /** The share of the other reads that a mapper answers from memory. */
  readonly memoryShare: number;
  /** The share of a measured rate to plan with. */
  readonly utilisation: number;
}

/** Measured figures. What was never measured is null. */
export interface MeasuredImages {
  /** Images a second of one process. */
  readonly uploadsPerSecond: number | null;
  readonly fromMemoryPerSecond: number | null;
  readonly fromStorePerSecond: number | null;
  /** CPU time for one decoding. */
  readonly decodeMs: number | null;
  /** Of an image in `urls`. */
  readonly rowBytes: number;
}

export interface ImagesPlan {
  readonly writesPerSecond: { readonly average: number; readonly peak: number };
  readonly readsPerSecond: { readonly average: number; readonly peak: number };
  readonly images: number;
  readonly store: {
    readonly imageBytes: number;
    readonly withThumbnailBytes: number;
    readonly perDayBytes: number;
  };
  /** Bits a second. `out` is what clients get, `toFront` what leaves the mappers. */
  readonly bandwidth: { readonly inPeak: number; readonly outPeak: number; readonly toFrontPeak: number };
  readonly front: { readonly hitShare: number; readonly bytes: number };
  readonly rows: { readonly count: number; readonly bytes: number };
  readonly mapperProcesses: number | null;
  readonly decoderCores: number | null;
}

const DAY_S = 86_400;
const YEAR_DAYS = 365;
/** The least number of processes, so that one of them may fail. */
const LEAST = 2;

/** Computes what images need. Pure. */
export function planImages(demand: ImageDemand, measured: MeasuredImages): ImagesPlan {
  const { peakFactor, imageBytes, frontShare, memoryShare, utilisation } = demand;
  const imagesPerDay = demand.users * demand.postingShare;
  const writes = imagesPerDay / DAY_S;
  const reads = writes * demand.readsPerWrite;
  const [peakWrites, peakReads] = [writes * peakFactor, reads * peakFactor];
  const images = imagesPerDay * YEAR_DAYS * demand.years;
  const passing = peakReads * (1 - frontShare);
  return {
    writesPerSecond: { average: writes, peak: peakWrites },
    readsPerSecond: { average: reads, peak: peakReads },
    images,
    store: {
      imageBytes: images * imageBytes,
      withThumbnailBytes: images * imageBytes * (1 + demand.thumbnailShare),
      perDayBytes: imagesPerDay * imageBytes * (1 + demand.thumbnailShare),
    },
    bandwidth: {
      inPeak: peakWrites * imageBytes * 8,
      outPeak: peakReads * imageBytes * 8,
      toFrontPeak: passing * imageBytes * 8,
    },
    front: {
      hitShare: frontShare,
      bytes: frontShare === 0 ? 0 : reads * DAY_S * demand.frontKeeps * imageBytes,
    },
    rows: { count: images, bytes: images * measured.rowBytes },
    mapperProcesses: processesFor([
      [peakWrites, measured.uploadsPerSecond],
      [passing * memoryShare, measured.fromMemoryPerSecond],
      [passing * (1 - memoryShare), measured.fromStorePerSecond],
    ]),
    decoderCores:
      measured.decodeMs === null ? null : Math.ceil((peakWrites * measured.decodeMs) / 1_000 / utilisation),
  };

  /** Each process does a share of each kind of work, so the processes that each kind needs add up. */
  function processesFor(work: readonly (readonly [perSecond: number, rate: number | null])[]): number | null {
    let processes = 0;
    for (const [perSecond, rate] of work) {
      if (perSecond === 0) continue;
      if (rate === null) return null;
      processes += perSecond / (rate * utilisation);
    }
    return Math.max(LEAST, Math.ceil(processes));
  }
}
