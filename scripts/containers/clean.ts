import { rmSync } from 'node:fs';
import type { Docker } from './docker.ts';
import { engineDir, type Engine } from './engine.ts';
import { IMAGE_LABEL, ownImage } from './image.ts';
import { STAND_IN_LABEL } from './stand-ins.ts';

const KINDS = ['container', 'volume', 'network'] as const;
type Kind = (typeof KINDS)[number];

/** A container, volume or network of a cluster. */
export interface Belonging {
  readonly kind: Kind;
  readonly name: string;
}

/** With a container, its volumes without a name are removed: nobody could find them later. */
const REMOVING: Record<Kind, readonly string[]> = {
  container: ['--force', '--volumes'],
  volume: ['--force'],
  network: [],
};

/** Networks of the engine itself; they cannot be removed. */
const BUILT_IN_NETWORKS = new Set(['bridge', 'host', 'none']);

/** Everything on the engine that belongs to our clusters. On a private engine, that is everything. */
export async function belongingsOn({ docker, isPrivate }: Engine): Promise<Belonging[]> {
  const found: Belonging[] = [];
  for (const kind of KINDS)
    for (const { name, project } of await list(docker, kind)) {
      const isBuiltIn = kind === 'network' && BUILT_IN_NETWORKS.has(name);
      if (!isBuiltIn && (isPrivate || OUR_PROJECT.test(project))) found.push({ kind, name });
    }
  return found;
}

/**
 * Removes everything that was added since `before`. When `before` is empty, also our image and the stand-ins;
 * otherwise earlier clusters may need them.
 */
export async function cleanEngine(engine: Engine, before: readonly Belonging[]): Promise<void> {
  const { docker } = engine;
  const now = added(await belongingsOn(engine), before);
  for (const kind of KINDS) {
    const names = now.filter((each) => each.kind === kind).map(({ name }) => name);
    if (names.length > 0) await docker.run([kind, 'rm', ...REMOVING[kind], ...names]);
  }
  if (before.length > 0) return;
  const images = await imagesOf(docker);
  if (images.length > 0) await docker.try(['image', 'rm', '--force', ...images]);
  await docker.try(['image', 'rm', '--force', ownImage()]);
}

/** The names of everything that {@link cleanEngine} failed to remove. */
export async function whatIsLeft(engine: Engine, before: readonly Belonging[]): Promise<string[]> {
  const left = added(await belongingsOn(engine), before).map(({ kind, name }) => `${kind} ${name}`);
  if (before.length > 0) return left;
  const images = engine.isPrivate
    ? await engine.docker.lines(['image', 'ls', '--all', '--quiet'])
    : await imagesOf(engine.docker);
  return [...left, ...images.map((id) => `image ${id}`)];
}

/** Deletes the folder of a private engine that has stopped, unless it held clusters before. */
export function removeEngineDir(engine: Engine, before: readonly Belonging[]): void {
  if (engine.isPrivate && before.length === 0) rmSync(engineDir(), { recursive: true, force: true });
}

function added(now: readonly Belonging[], before: readonly Belonging[]): Belonging[] {
  return now.filter(({ kind, name }) => !before.some((each) => each.kind === kind && each.name === name));
}

/** Our image, the stand-ins, and the stages of their builds. */
async function imagesOf(docker: Docker): Promise<string[]> {
  const found = new Set<string>();
  for (const label of [IMAGE_LABEL, STAND_IN_LABEL])
    for (const id of await docker.lines(['image', 'ls', '--quiet', '--filter', `label=${label}`]))
      found.add(id);
  return [...found];
}

/** The names of our clusters: `keymill`, or `keymill-` and eight hex digits. */
const OUR_PROJECT = /^keymill(-[0-9a-f]{8})?$/;

async function list(docker: Docker, kind: Kind): Promise<{ name: string; project: string }[]> {
  const name = kind === 'container' ? '{{.Names}}' : '{{.Name}}';
  const all = kind === 'container' ? ['--all'] : [];
  const format = `${name}\t{{.Label "com.docker.compose.project"}}`;
  const lines = await docker.lines([kind, 'ls', ...all, '--format', format]);
  return lines.map((line) => {
    const [found = '', project = ''] = line.split('\t');
    return { name: found, project };
  });
}
