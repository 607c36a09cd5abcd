import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { REPOSITORY } from '../cluster/run-dir.ts';
import { command, type CommandOptions, type Docker } from './docker.ts';
import { pinnedImage, type PublicImage } from './images.ts';

/** Stands on everything that we make here; `--clean` goes by it. */
export const STAND_IN_LABEL = 'keymill.stand-in';

const BASE = 'keymill/stand-in-base:bookworm';
const ALL: readonly PublicImage[] = ['zookeeper', 'redis', 'mariadb', 'haproxy', 'node'];

/** The servers, and what our own image takes from the place it is built in. */
const PACKAGES = [
  'ca-certificates',
  'libatomic1',
  'libstdc++6',
  'default-jre-headless',
  'zookeeper',
  'libslf4j-java',
  'redis-server',
  'mariadb-server-core',
  'mariadb-client-core',
  'haproxy',
];
const MIRROR = 'http://deb.debian.org';
/** Nobody reads manuals in a container. */
const LEFT_OUT = [
  './usr/share/doc',
  './usr/share/man',
  './usr/share/locale',
  './usr/share/info',
  './var/cache',
  './var/lib/apt/lists',
  './var/log',
  './proc',
  './sys',
  './etc/resolv.conf',
  './usr/sbin/policy-rc.d',
];
const BOOTSTRAP_TIMEOUT_MS = 600_000;
const PULL_TIMEOUT_MS = 120_000;

/**
 * Sees to it that every public image that we use is there: one that is missing is pulled, and where no registry answers made from
 * Debian's packages under the same name and tag. The pins may be overridden as in compose: an image that is there is left alone.
 * @throws ClusterError when neither works; the reason of `signal` when that is aborted
 */
export async function ensureImages(
  docker: Docker,
  report: (what: string) => void,
  wanted: readonly PublicImage[] = ALL,
  signal?: AbortSignal,
): Promise<void> {
  const missing: PublicImage[] = [];
  for (const name of wanted) if (!(await docker.hasImage(pinnedImage(name)))) missing.push(name);
  const [first] = missing;
  if (first === undefined) return;
  // One attempt tells whether there is a registry: without one each would cost its own time-out.
  const hasRegistry = await tryPull(docker, pinnedImage(first), report, signal);
  for (const name of missing) {
    const image = pinnedImage(name);
    const isThere = hasRegistry && (name === first || (await tryPull(docker, image, report, signal)));
    if (!isThere) await makeStandIn(docker, name, report, signal);
  }
}

async function tryPull(
  docker: Docker,
  image: string,
  report: (what: string) => void,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  report(`pulling ${image} …`);
  try {
    const options = { timeoutMs: PULL_TIMEOUT_MS, ...(signal && { signal }) };
    return (await docker.try(['pull', '--quiet', image], options)).exitCode === 0;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

async function makeStandIn(
  docker: Docker,
  name: PublicImage,
  report: (what: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!(await docker.hasImage(BASE))) await makeBase(docker, report, signal);
  const image = pinnedImage(name);
  report(`making a stand-in for ${image}`);
  const context = name === 'node' ? await nodeContext() : join(REPOSITORY, 'deploy', 'stand-ins', name);
  try {
    await docker.build(
      [
        '--network=none',
        `--build-arg=BASE=${BASE}`,
        `--label=${STAND_IN_LABEL}=${name}`,
        `--tag=${image}`,
        context,
      ],
      signal && { signal },
    );
  } finally {
    if (name === 'node') await rm(context, { recursive: true, force: true });
  }
}

/** One Debian with all the servers, shared by all stand-ins: installed in a folder, since a build may have no network. */
async function makeBase(
  docker: Docker,
  report: (what: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  report("making the stand-ins' base from Debian's packages (a minute or two) …");
  const work = await mkdtemp(join(tmpdir(), 'keymill-base-'));
  const tree = join(work, 'tree');
  const options = { timeoutMs: BOOTSTRAP_TIMEOUT_MS, ...(signal && { signal }) };
  try {
    await alone(['debootstrap', '--variant=minbase', 'bookworm', tree, `${MIRROR}/debian`], options);
    await writeFile(join(tree, 'etc/apt/sources.list'), aptSources());
    await copyFile('/etc/resolv.conf', join(tree, 'etc/resolv.conf'));
    await writeFile(join(tree, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n');
    await chmod(join(tree, 'usr/sbin/policy-rc.d'), 0o755);
    await writeFile(
      join(tree, 'etc/dpkg/dpkg.cfg.d/lean'),
      ['doc', 'man', 'locale', 'info'].map((part) => `path-exclude=/usr/share/${part}/*\n`).join(''),
    );
    await installPackages(tree, options);
    const archive = join(work, 'base.tar');
    const excluded = LEFT_OUT.map((path) => `--exclude=${path}/*`).concat(
      ['./etc/resolv.conf', './usr/sbin/policy-rc.d'].map((path) => `--exclude=${path}`),
    );
    await command(
      'tar',
      ['--create', '--numeric-owner', `--file=${archive}`, `--directory=${tree}`, ...excluded, '.'],
      options,
    );
    await docker.run(['import', '--change', `LABEL ${STAND_IN_LABEL}=base`, archive, BASE], options);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Java's packages want /proc; it is gone again before the folder is deleted, whatever happens. */
async function installPackages(tree: string, options: CommandOptions): Promise<void> {
  const script = [
    'apt-get update',
    `apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}`,
    'id mysql >/dev/null 2>&1 || useradd --system --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql',
  ].join(' && ');
  await alone(['sh', '-c', 'mount -t proc proc "$0/proc" && chroot "$0" sh -c "$1"', tree, script], {
    ...options,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });
}

/** Among processes and mounts of its own: none of them outlives it, however it ends. */
async function alone(words: readonly string[], options: CommandOptions): Promise<void> {
  const unshared = ['--mount', '--propagation=private', '--pid', '--fork', '--kill-child'];
  await command('unshare', [...unshared, '--', ...words], options);
}

function aptSources(): string {
  return [
    `deb ${MIRROR}/debian bookworm main`,
    `deb ${MIRROR}/debian bookworm-updates main`,
    `deb ${MIRROR}/debian-security bookworm-security main`,
    '',
  ].join('\n');
}

const CERTIFICATES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/** Node that runs us, npm of this machine, and the certificates that this machine trusts: its registry may need them. */
async function nodeContext(): Promise<string> {
  const context = await mkdtemp(join(tmpdir(), 'keymill-node-'));
  await copyFile(join(REPOSITORY, 'deploy/stand-ins/node/Dockerfile'), join(context, 'Dockerfile'));
  await copyFile(process.execPath, join(context, 'node'));
  // The command is a link to npm/bin/npm-cli.js.
  const npm = await realpath((await command('sh', ['-c', 'command -v npm'])).trim());
  await cp(dirname(dirname(npm)), join(context, 'npm'), { recursive: true });
  const certificates = CERTIFICATES.find((path) => existsSync(path));
  if (certificates === undefined) await writeFile(join(context, 'certificates.pem'), '');
  else await copyFile(certificates, join(context, 'certificates.pem'));
  return context;
}
