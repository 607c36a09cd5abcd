import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { REPOSITORY } from '../cluster/run-dir.ts';
import { command, type CommandOptions, type Docker } from './docker.ts';
import { pinnedImage, type PublicImage } from './images.ts';

/** The label of every image that is made here; `--clean` finds them by it. */
export const STAND_IN_LABEL = 'keymill.stand-in';

/** A base with other packages has another tag. */
const BASE = 'keymill/stand-in-base:bookworm-2';
const ALL: readonly PublicImage[] = ['zookeeper', 'redis', 'mariadb', 'haproxy', 'nginx', 'node'];

/** The servers, and the packages that the build of our own image needs. */
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
  'nginx',
];
const MIRROR = 'http://deb.debian.org';
/** Manuals and caches that a container does not need. */
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

interface Work {
  readonly report: (what: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Ensures that the engine has the public images. It pulls a missing image. When no registry answers, it makes
 * a stand-in from Debian's packages, with the same name and tag.
 * @param only these images; without it, all that we use
 * @throws ClusterError when neither works; the reason of `signal` when that is aborted
 */
export async function ensureImages(
  docker: Docker,
  { only = ALL, ...work }: Work & { readonly only?: readonly PublicImage[] },
): Promise<void> {
  const missing: PublicImage[] = [];
  for (const name of only) if (!(await docker.hasImage(pinnedImage(name)))) missing.push(name);
  const [first] = missing;
  if (first === undefined) return;
  // The first pull shows whether a registry answers. Without one, every pull would wait for its own timeout.
  const hasRegistry = await tryPull(docker, pinnedImage(first), work);
  for (const name of missing) {
    const isPulled = hasRegistry && (name === first || (await tryPull(docker, pinnedImage(name), work)));
    if (!isPulled) await makeStandIn(docker, name, work);
  }
}

async function tryPull(docker: Docker, image: string, { report, signal }: Work): Promise<boolean> {
  report(`pulling ${image} …`);
  try {
    const options = { timeoutMs: PULL_TIMEOUT_MS, ...(signal && { signal }) };
    return (await docker.try(['pull', '--quiet', image], options)).exitCode === 0;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

async function makeStandIn(docker: Docker, name: PublicImage, { report, signal }: Work): Promise<void> {
  if (!(await docker.hasImage(BASE))) await makeBase(docker, { report, signal });
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

/**
 * Makes the base of all stand-ins: one Debian with all the servers. It is installed in a folder and not by a
 * build, because a build may have no network.
 */
async function makeBase(docker: Docker, { report, signal }: Work): Promise<void> {
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

/** Java's packages need /proc. {@link alone} unmounts it in every case, before the folder is deleted. */
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

/** Runs a program in its own mount and process namespaces: when it ends, its mounts and children end too. */
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

/**
 * The build context of Node's stand-in: our Node, this machine's npm, and its trusted certificates, which the
 * registry may need.
 */
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
