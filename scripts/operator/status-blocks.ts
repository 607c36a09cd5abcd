import {
  alarmsBlock,
  keysDbsBlock,
  locksBlock,
  mappersBlock,
  poolsBlock,
  producersBlock,
  reservedAliasesBlock,
} from './blocks.ts';
import { counterBlock, smallClusterBlock } from './small-cluster.ts';
import type { SeenCluster } from './sources/cluster-status.ts';

/** The blocks of `keymill status`, from top to bottom. Each ends with an empty line; some are empty. */
export function statusBlocks({ status, isSmall, isKnown }: SeenCluster, nowMs: number): string[][] {
  return [
    isSmall ? [] : locksBlock(status.locks, nowMs, isKnown),
    isSmall ? [] : poolsBlock(status.pools),
    isSmall ? [] : producersBlock(status.producers),
    mappersBlock(status.mappers),
    counterBlock(status.counter),
    isSmall ? [] : keysDbsBlock(status.keysDbs),
    reservedAliasesBlock(status.reservedAliases),
    alarmsBlock(status),
    isSmall ? smallClusterBlock() : [],
  ];
}
