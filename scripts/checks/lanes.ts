/** Files of tests that run at the same time, in a mocha process with servers of its own for each list. */
export type Lanes = readonly (readonly string[])[];

/** With fewer files, a second set of servers would take longer than it saves. */
const MIN_FILES_OF_A_LANE = 40;
/** They share one browser, which takes memory and a second to start: so all of them are in one lane. */
const WITH_BROWSER = 'test/browser/';
/** They judge times, or a control that does: nothing runs beside them. */
const MEASURING = ['test/bench/bench.test.ts', 'test/e2e/failover.test.ts'];
/** They start whole clusters: two cores are not enough for these and the servers of the other tests. */
const OF_CLUSTERS = ['test/bench/against.test.ts', 'test/drills/short.test.ts', 'test/e2e/'];
/** Of those, the half that takes as long as the other one. */
const FIRST_CLUSTERS = ['test/bench/', 'test/drills/'];

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

function mostLanes(files: readonly string[]): Lanes {
  if (files.length < 2 * MIN_FILES_OF_A_LANE) return [files];
  const isInBrowser = (file: string): boolean => file.startsWith(WITH_BROWSER);
  const others = files.filter((file) => !isInBrowser(file));
  // The lane without the browser has three of five others: then both take equally long.
  const isFirst = (_: string, index: number): boolean => index % 5 < 3;
  const second = others.filter((file, index) => !isFirst(file, index));
  return [others.filter(isFirst), [...files.filter(isInBrowser), ...second]];
}

function withoutEmpty(lanes: Lanes): Lanes {
  return lanes.filter(({ length }) => length > 0);
}

function isOneOf(file: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => file.startsWith(prefix));
}
