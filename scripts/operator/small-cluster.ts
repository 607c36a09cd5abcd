import { NO_MARK, reservedSentence, SMALL_CLUSTER } from '../../runtime/dashboard/small-cluster.ts';
import { formatCount } from '../../runtime/terminal/units.ts';
import type { CounterEntry } from './sources/counter-state.ts';

/** Where keys come from, in a cluster with the counter. */
export function counterBlock(counter: CounterEntry | undefined): string[] {
  if (counter === undefined) return [];
  const { reserved, capacity } = counter;
  const state =
    reserved === null
      ? `UNREACHABLE: ${NO_MARK}`
      : reservedSentence(formatCount(reserved) ?? '', formatCount(capacity) ?? '');
  return ['Keys by counter', `  ${state}`, ''];
}

/** What a cluster without ZooKeeper cannot do, and the way to one that can. */
export function smallClusterBlock(): string[] {
  const [title, ...sentences] = SMALL_CLUSTER;
  return [title, ...sentences.flatMap(linesOf).map((line) => `  ${line}`), ''];
}

/** A sentence in lines of at most 80 characters. */
function linesOf(sentence: string): string[] {
  return [...sentence.matchAll(/(\S.{0,79})(?:\s|$)/g)].map(([, line = '']) => line);
}
