export interface Distribution {
  readonly p50: number;
  readonly max: number;
  readonly all: readonly number[];
}

/** The figures of one part of a drill. */
export interface PartReport {
  readonly name: string;
  readonly rounds: number;
  readonly unownedMs: Distribution;
  readonly deadMs: Distribution;
}

/** Counts of what the clients saw. */
export interface ClientCounts {
  readonly sent: number;
  readonly acked: number;
  readonly failed: number;
  readonly refused: number;
  readonly unknown: number;
  readonly redirects: number;
  readonly redirectsFailed: number;
  /** Redirects of acknowledged links that a mapper answered with 404 or 410. */
  readonly lost: number;
  /** Keys that were acknowledged for two links. */
  readonly duplicates: number;
  readonly wrongTarget: number;
}

/** What clients saw of links that were made, changed, deleted, restored and pruned. */
export interface OwnLinkCounts {
  readonly links: number;
  readonly changes: number;
  readonly acked: number;
  /** Changes that have not happened, because another one was first. */
  readonly refused: number;
  readonly unknown: number;
  /** Acknowledged changes of which not all mappers had heard, by their answers. */
  readonly unheard: number;
  readonly follows: number;
  readonly followsFailed: number;
  /** Redirects by a state that was no longer allowed. */
  readonly oldStates: number;
  /** Redirects by a state that the link never had. */
  readonly wrongTargets: number;
  readonly lostUpdates: number;
  /** Keys that a second link got. */
  readonly givenAgain: number;
}

/** What clients saw of images that were posted and deleted. */
export interface ImageCounts {
  readonly posts: number;
  readonly acked: number;
  /** No acceptable answer. */
  readonly failed: number;
  readonly refused: number;
  readonly unknown: number;
  readonly deleted: number;
  readonly views: number;
  readonly viewsRefused: number;
  /** Views without a whole answer. */
  readonly viewsBrokenOff: number;
  /** Views with other bytes than those that were posted. */
  readonly wrongBytes: number;
  /** Views of acknowledged images that were neither shown nor refused, or refused at the end. */
  readonly lost: number;
  /** Views of images whose deletion was acknowledged. */
  readonly seenAfterDeletion: number;
  /** Keys that a second link got. */
  readonly givenAgain: number;
  /** Posts and views. */
  readonly refusedInFaults: number;
  readonly slowestRefusalMs: number;
  /** The longest time from the end of a fault to a refusal within half a minute after it. */
  readonly backMs: number;
}

/** What one drill showed; `keymill drill --json` prints it. */
export interface DrillReport extends ClientCounts {
  readonly name: string;
  readonly seed: number;
  readonly rounds: number;
  /** Shortens a second. */
  readonly rate: number;
  /** Reigns that ended because a store refused their epoch, from the logs of the producers. */
  readonly fenced: number;
  /** Links that are gone because the drill put a urls server back to an older state. */
  readonly writtenOff: number;
  /** Null when every audit failed. */
  readonly leaked: number | null;
  /** Times in which no producer held a shard. */
  readonly unownedMs: Distribution;
  /** Times from a fault to the next holder's lock. */
  readonly deadMs: Distribution;
  /** Empty when the drill has no parts. */
  readonly parts: readonly PartReport[];
  /** The worst round: the keys that a killed mapper took with it, and how many it may have held. */
  readonly stranded: { readonly keys: number; readonly bound: number } | null;
  /** The longest time from a fault until the next holder delivers. */
  readonly takeoverMs: number;
  /** The longest time between two acknowledgements. */
  readonly unavailableMs: number;
  /**
   * From healing to the last shorten that was not acknowledged. Null when the drill must not cause refusals.
   */
  readonly backMs: number | null;
  /** The goal for `unownedMs.max`, and for `deadMs.max` when the whole host is lost. */
  readonly boundMs: number | null;
  /** What clients saw during the faults. */
  readonly during: {
    readonly ackedShare: number;
    readonly redirectShare: number;
    /** Shortens answered with 503. */
    readonly refused: number;
    readonly refusedP99Ms: number;
    /** The share acknowledged in the first 15 s minus that in the last 15 s. Null in shorter faults. */
    readonly decay: number | null;
    /** The 99th percentile of the times of right redirects, during the faults and without one. */
    readonly redirectP99Ms?: { readonly during: number; readonly without: number };
  };
  /** Only in drills that change links. Wrong targets and old states are also in `wrongTarget`. */
  readonly ownLinks?: OwnLinkCounts;
  /** Only in drills that post images. */
  readonly images?: ImageCounts;
  readonly violations: readonly string[];
  readonly timeline: readonly { readonly ms: number; readonly event: string }[];
  readonly historyFile: string;
  readonly passed: boolean;
}

/** The counts over a history without a request. */
export const NO_REQUESTS = {
  acked: 0,
  failed: 0,
  refused: 0,
  unknown: 0,
  redirects: 0,
  redirectsFailed: 0,
  lost: 0,
  duplicates: 0,
  wrongTarget: 0,
};

/** The report of a drill that could not run: a failure with its reason. */
export function notRunReport(
  { name, seed, rounds, rate }: Pick<DrillReport, 'name' | 'seed' | 'rounds' | 'rate'>,
  reason: string,
): DrillReport {
  const none: Distribution = { p50: 0, max: 0, all: [] };
  return {
    name,
    seed,
    rounds,
    rate,
    sent: 0,
    ...NO_REQUESTS,
    fenced: 0,
    writtenOff: 0,
    leaked: null,
    unownedMs: none,
    deadMs: none,
    parts: [],
    stranded: null,
    takeoverMs: 0,
    unavailableMs: 0,
    backMs: null,
    boundMs: null,
    during: { ackedShare: 0, redirectShare: 0, refused: 0, refusedP99Ms: 0, decay: null },
    violations: [`not run: ${reason}`],
    timeline: [],
    historyFile: '',
    passed: false,
  };
}

/** A report for a terminal of 100 columns: the verdict, the figures, and every violation. */
export function describeReport(report: DrillReport): string[] {
  const { name, passed, seed, rounds, rate, failed, refused, unknown, during, stranded } = report;
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const rows: [label: string, text: string][] = [
    [
      'shortens',
      `${report.sent} sent, ${report.acked} acknowledged, ${failed} failed, ${refused} refused, ${unknown} unknown`,
    ],
    ['redirects', `${report.redirects} sent, ${report.redirectsFailed} failed`],
    [
      'in faults',
      `${percent(during.ackedShare)} of shortens acknowledged, ${percent(during.redirectShare)} of redirects right`,
    ],
    [
      'keys',
      `${report.lost} lost, ${report.duplicates} duplicates, ${report.wrongTarget} wrong targets, ` +
        `${report.leaked ?? 'unknown'} leaked` +
        (report.writtenOff > 0 ? `, ${report.writtenOff} written off` : ''),
    ],
    ['unowned', describeTimes(report.unownedMs)],
    ...report.parts.map(
      (part) => ['', `${part.name}: ${describeTimes(part.unownedMs)}`] satisfies [string, string],
    ),
  ];
  if (report.deadMs.all.length > 0)
    rows.push(
      ['next lock', `at most ${report.deadMs.max} ms after the fault`],
      ['takeover', `at most ${report.takeoverMs} ms until the next holder delivered`],
    );
  rows.push(
    ['fenced', `${report.fenced} reigns`],
    ['ack gap', `at most ${report.unavailableMs} ms between two acknowledgements`],
  );
  if (stranded !== null)
    rows.push([
      'stranded',
      `${stranded.keys} keys with a killed mapper, which may have held ${stranded.bound}`,
    ]);
  if (report.ownLinks !== undefined) rows.push(['changes', describeOwnLinks(report.ownLinks)]);
  if (report.images !== undefined) rows.push(['images', describeImages(report.images)]);
  for (const violation of report.violations) rows.push(['VIOLATION', violation]);
  rows.push(['history', report.historyFile]);
  return [
    `${name}: ${passed ? 'passed' : 'FAILED'}  (${rounds} rounds, seed ${seed}, ${rate} shortens/s)`,
    ...rows.map(([label, text]) => `  ${label.padEnd(9)}  ${text}`),
    '',
  ];
}

/** In one sentence, for a terminal and for the page. */
export function describeOwnLinks(own: OwnLinkCounts): string {
  const count = (number: number): string => number.toLocaleString('en-US');
  return (
    `${count(own.acked)} changes of ${count(own.links)} links acknowledged (${count(own.unheard)} not heard by all), ` +
    `${count(own.refused)} refused, ${count(own.unknown)} unknown; ${count(own.follows)} redirects of them, ` +
    `${count(own.followsFailed)} without an answer, ${count(own.oldStates)} by an old state, ` +
    `${count(own.wrongTargets)} to a wrong target; ${count(own.lostUpdates)} updates lost, ` +
    `${count(own.givenAgain)} keys given again`
  );
}

/** In one sentence, for a terminal and for the page. */
export function describeImages(images: ImageCounts): string {
  const count = (number: number): string => number.toLocaleString('en-US');
  return (
    `${count(images.acked)} images acknowledged, ${count(images.refused)} refused, ${count(images.failed)} failed, ` +
    `${count(images.unknown)} unknown, ${count(images.deleted)} deleted; ${count(images.views)} views of them, ` +
    `${count(images.viewsRefused)} refused, ${count(images.viewsBrokenOff)} broken off, ` +
    `${count(images.wrongBytes)} with other bytes, ${count(images.lost)} of a lost image, ` +
    `${count(images.seenAfterDeletion)} after its deletion; refused after at most ` +
    `${count(Math.round(images.slowestRefusalMs))} ms, the last one ${count(Math.round(images.backMs))} ms after a fault`
  );
}

function describeTimes({ p50, max, all }: Distribution): string {
  if (all.length === 0) return 'never';
  return `${all.length} times, median ${p50} ms, at most ${max} ms`;
}
