import { isSmall, type Shape } from './shape.ts';
import type { Counts, State } from './state.ts';

/** The numbers of a first start without options. */
const DEFAULT_COUNTS: Counts = { producers: 3, mappers: 2, processesPerMapper: 1 };
const SMALL_COUNTS: Counts = { producers: 0, mappers: 1, processesPerMapper: 1 };

/** The numbers of a cluster that was down. A growing one keeps those of its steps. Pure. */
export function usualCounts(shape: Shape, { setup, growth }: Pick<State, 'setup' | 'growth'>): Counts {
  if (setup.keySource === 'pools' && !isSmall(shape)) return DEFAULT_COUNTS;
  if (growth === undefined) return SMALL_COUNTS;
  return growth.counts ?? { ...SMALL_COUNTS, mappers: DEFAULT_COUNTS.mappers };
}
