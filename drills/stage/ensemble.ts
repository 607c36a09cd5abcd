import { ask } from '../../scripts/servers/probe.ts';
import type { Stage } from './stage.ts';

/** Which server leads now, and which follow. */
export async function roles(stage: Stage): Promise<{ leader: string; followers: string[] }> {
  const { servers } = stage.cluster.file.zookeeper;
  const modes = await Promise.all(
    servers.map(async ({ id, port }) => {
      const answer = await ask(port, 'srvr', (text) => /Mode: \w+\n/.test(text));
      return { name: `zookeeper-${id}`, mode: /Mode: (\w+)/.exec(answer ?? '')?.[1] };
    }),
  );
  const leader = modes.find(({ mode }) => mode === 'leader')?.name;
  if (leader === undefined) throw new Error('the ensemble has no leader');
  return { leader, followers: modes.filter(({ name }) => name !== leader).map(({ name }) => name) };
}
