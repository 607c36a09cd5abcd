import { rmSync } from 'node:fs';
import type { Docker } from './docker.ts';
import { engineDir, type Engine } from './engine.ts';
import { IMAGE_LABEL, ownImage } from './image.ts';
import { STAND_IN_LABEL } from './stand-ins.ts';

/** Removes what we made on this engine, and nothing else: our image, the stand-ins, and volumes and networks of our projects. */
export async function cleanEngine(engine: Engine): Promise<void> {
  const { docker } = engine;
  for (const kind of ['container', 'volume', 'network'] as const) {
    const ours = await projectsOf(docker, kind);
    const force = kind === 'network' ? [] : ['--force'];
    if (ours.length > 0) await docker.run([kind, 'rm', ...force, ...ours]);
  }
  for (const label of [IMAGE_LABEL, STAND_IN_LABEL]) {
    const images = new Set(await docker.lines(['image', 'ls', '--quiet', '--filter', `label=${label}`]));
    if (images.size > 0) await docker.try(['image', 'rm', '--force', ...images]);
  }
  await docker.try(['image', 'rm', '--force', ownImage()]);
}

/** An engine of our own leaves nothing behind: its folder goes, once it has stopped. */
export function removeEngineDir(engine: Engine): void {
  if (engine.isPrivate) rmSync(engineDir(), { recursive: true, force: true });
}

/** Those that compose made for a project of ours: `keymill`, or `keymill-` and eight hex digits. */
async function projectsOf(docker: Docker, kind: 'container' | 'volume' | 'network'): Promise<string[]> {
  const name = kind === 'container' ? '{{.Names}}' : '{{.Name}}';
  const list = [kind, 'ls', ...(kind === 'container' ? ['--all'] : [])];
  const lines = await docker.lines([
    ...list,
    '--filter',
    'label=com.docker.compose.project',
    '--format',
    `${name}\t{{.Label "com.docker.compose.project"}}`,
  ]);
  return lines.flatMap((line) => {
    const [id = '', project = ''] = line.split('\t');
    return /^keymill(-[0-9a-f]{8})?$/.test(project) ? [id] : [];
  });
}
