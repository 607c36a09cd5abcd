/** Files of tests that run at the same time, in a mocha process with servers of its own for each list. */
export type Lanes = readonly (readonly string[])[];

/** With fewer files, a second set of servers would take longer than it saves. */
const MIN_FILES_OF_A_LANE = 40;
/** They share one browser, which takes memory and a second to start: so all of them are in one lane. */
const WITH_BROWSER = 'test/browser/';
/** How long they take together, with its start. */
const BROWSER_S = 200;
/** How many lanes most tests have. With three, two cores were too busy at times for sessions of ZooKeeper. */
const LANES = 2;
/** They judge times, or a control that does: nothing runs beside them. */
const MEASURING = ['test/bench/bench.test.ts', 'test/e2e/failover.test.ts'];
/** They start whole clusters: two cores are not enough for these and the servers of the other tests. */
const OF_CLUSTERS = ['test/bench/against.test.ts', 'test/drills/short.test.ts', 'test/e2e/'];
/** Of those, the half that takes as long as the other one. */
const FIRST_CLUSTERS = ['test/bench/', 'test/drills/'];

/** How long a file takes, in seconds on a quiet machine, if it is in no list. */
const USUAL_S = 2;
/** Those that take much longer. A file that is not there any more does no harm. */
const SLOW_S: Readonly<Record<string, number>> = {
  'test/coordinator/session-faults.test.ts': 15,
  'test/db/blobs/directory-faults.test.ts': 16,
  'test/db/blobs/s3-faults.test.ts': 27,
  'test/db/keys-db-generation.test.ts': 10,
  'test/mapper/api/foreign-links.test.ts': 14,
  'test/mapper/api/odd-parameters.test.ts': 13,
  'test/mapper/api/passwords.test.ts': 19,
  'test/mapper/api/statuses.test.ts': 25,
  'test/mapper/api/users-db-away.test.ts': 14,
  'test/mapper/bulk/bulk-faults.test.ts': 13,
  'test/mapper/click-exactness.test.ts': 13,
  'test/mapper/clicks.test.ts': 16,
  'test/mapper/front-connections.test.ts': 14,
  'test/mapper/front-limits.test.ts': 13,
  'test/mapper/heard.test.ts': 14,
  'test/mapper/http-pipelining.test.ts': 20,
  'test/mapper/import-jobs/import-api.test.ts': 17,
  'test/mapper/import/bounded.test.ts': 28,
  'test/mapper/lifecycle.test.ts': 11,
  'test/mapper/live/live-clicks.test.ts': 26,
  'test/mapper/outages.test.ts': 13,
  'test/mapper/pictures/corpus.test.ts': 22,
  'test/mapper/pictures/decoder.test.ts': 11,
  'test/mapper/processes.test.ts': 45,
  'test/mapper/repeatable/faults.test.ts': 14,
  'test/mapper/repeatable/kills.test.ts': 10,
  'test/mapper/sick-writes.test.ts': 30,
  'test/mapper/views/image-clients.test.ts': 17,
  'test/mapper/views/image-faults.test.ts': 11,
  'test/mapper/webhooks/outages.test.ts': 14,
  'test/model/hand-off.test.ts': 26,
  'test/operator/import-killed.test.ts': 17,
  'test/producer/balance-live.test.ts': 22,
  'test/producer/faults.test.ts': 29,
  'test/producer/kills.test.ts': 12,
  'test/producer/takeover.test.ts': 11,
};

/**
 * All files in phases, which run one after the other: most tests, then those that start clusters, then those
 * that measure. Most tests wait most of the time, for time-outs and servers.
 */
export function phasesOf(files: readonly string[]): Lanes[] {
  const measuring = files.filter((file) => isOneOf(file, MEASURING));
  const rest = files.filter((file) => !measuring.includes(file));
  const ofClusters = rest.filter((file) => isOneOf(file, OF_CLUSTERS));
  const isFirst = (file: string): boolean => isOneOf(file, FIRST_CLUSTERS);
  const clusters = [ofClusters.filter(isFirst), ofClusters.filter((file) => !isFirst(file))];
  const others = rest.filter((file) => !ofClusters.includes(file));
  return [mostLanes(others), clusters, [measuring]].map(withoutEmpty).filter(({ length }) => length > 0);
}

/** About how long files take, in seconds on a quiet machine. */
export function secondsOf(files: readonly string[]): number {
  const inBrowser = files.some((file) => file.startsWith(WITH_BROWSER)) ? BROWSER_S : 0;
  const others = files.filter((file) => !file.startsWith(WITH_BROWSER));
  return others.reduce((sum, file) => sum + (SLOW_S[file] ?? USUAL_S), inBrowser);
}

/** The slowest first, each file into the lane that ends first. */
function mostLanes(files: readonly string[]): Lanes {
  if (files.length < LANES * MIN_FILES_OF_A_LANE) return [files];
  const lanes = Array.from({ length: LANES }, (): string[] => []);
  const isInBrowser = (file: string): boolean => file.startsWith(WITH_BROWSER);
  const parts = [
    files.filter(isInBrowser),
    ...files.filter((file) => !isInBrowser(file)).map((file) => [file]),
  ];
  for (const part of parts.toSorted((a, b) => secondsOf(b) - secondsOf(a)))
    lanes.reduce((a, b) => (secondsOf(b) < secondsOf(a) ? b : a)).push(...part);
  return lanes.map((lane) => lane.toSorted());
}

function withoutEmpty(lanes: Lanes): Lanes {
  return lanes.filter(({ length }) => length > 0);
}

function isOneOf(file: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => file.startsWith(prefix));
}
