/** The steps from a small cluster to a full one, in their order. Each needs those before it. */
export const STEPS = ['mapper', 'memory', 'zookeeper', 'stores', 'producers', 'pools'] as const;
export type StepName = (typeof STEPS)[number];

/** What a step does, and what undoing it does, each as a sentence for a person. */
export const SENTENCES: Readonly<Record<StepName, { readonly does: string; readonly undoes: string }>> = {
  mapper: {
    does: 'a second mapper, so that each can be restarted while the other serves',
    undoes: 'the second mapper ends, and mapper-1 serves alone',
  },
  memory: {
    does: 'MariaDB gets the memory and connections of a full cluster, without a restart',
    undoes: 'MariaDB gives memory and connections back, without a restart; each mapper is restarted',
  },
  zookeeper: {
    does: 'three ZooKeeper servers, through which producers will agree',
    undoes: 'ZooKeeper ends, and its data is kept; each mapper is restarted',
  },
  stores: {
    does: 'more Redis servers, and keys-dbs in MariaDB; each mapper is restarted to know them',
    undoes:
      'the added Redis servers end, and the keys in their pools move to redis-1; each mapper is restarted',
  },
  producers: {
    does: 'producers start, and fill the pools above their low watermarks',
    undoes: 'the producers end, and the keys in the pools stay there',
  },
  pools: {
    does: 'each mapper is restarted, to take its keys from the pools in place of the counter',
    undoes:
      'each mapper is restarted, to take its keys from the counter; it puts the others back into the pools',
  },
};
