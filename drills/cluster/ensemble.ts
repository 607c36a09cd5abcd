import { ask } from '../../scripts/servers/probe.ts';
import type { DrillCluster } from './drill-cluster.ts';

/** Which ZooKeeper server leads now, and which follow. @throws Error when the ensemble has no leader */
export async function getRoles({ file }: DrillCluster): Promise<{ leader: string; followers: string[] }> {
  const modes = await Promise.all(
    file.zookeeper.servers.map(async ({ id, port }) => {
      const answer = await ask(port, 'srvr', (text) => /Mode: \w+\n/.test(text));
      return { name: `zookeeper-${id}`, mode: /Mode: (\w+)/.exec(answer ?? '')?.[1] };
    }),
  );
  const leader = modes.find(({ mode }) => mode === 'leader')?.name;
  if (leader === undefined) throw new Error('the ensemble has no leader');
  return { leader, followers: modes.filter(({ name }) => name !== leader).map(({ name }) => name) };
}
