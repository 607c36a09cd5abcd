import { UsageError } from '../../../runtime/terminal/errors.ts';

/** The answer of commands that need ZooKeeper, in a cluster that has none. */
export function noZooKeeper(): UsageError {
  return new UsageError(
    'this cluster has no ZooKeeper: its keys come by counter, without producers and locks.\n' +
      'To make a full cluster of it, with its data: ./scripts/keymill grow',
  );
}
