import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { until } from '../until.ts';

const run = promisify(execFile);

const MIRROR = 'http://deb.debian.org/debian';
/** What a small host has, and the servers of a small cluster, since it has no network. */
const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'libatomic1',
  'procps',
  'curl',
  'mariadb-server-core',
  'mariadb-client-core',
  'redis-tools',
];
/** The longest, `service install`, returns when a whole cluster is ready. */
const COMMAND_MS = 300_000;
/** Where the clone is on the machine. Its owner is the user `links`. */
export const CLONE = '/srv/keymill';
const USER_ID = 1000;

/**
 * Mounts what process 1 of a machine needs below the root `$1`, in namespaces of its own, and becomes it.
 * With the first hierarchy of cgroups, as on the machines where this test runs.
 */
const BOOT = `
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" || mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
mkdir -p "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
for folder in run tmp dev; do mount -t tmpfs -o mode=1755 tmpfs "$root/$folder"; done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device" && mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root/dev/shm" && mount -t tmpfs tmpfs "$root/dev/shm"
ip link set lo up
cd "$root" && exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /lib/systemd/systemd
`;

/**
 * A Debian with systemd as its process 1, in namespaces of this machine: without a network but loopback. It
 * has a copy of this repository. Needs root, debootstrap and Debian's mirror.
 */
export class SystemdMachine implements AsyncDisposable {
  readonly #root: string;
  #init: ChildProcess | undefined;

  private constructor(root: string) {
    this.#root = root;
  }

  static async make(): Promise<SystemdMachine> {
    const root = mkdtempSync(join(tmpdir(), 'keymill-machine-'));
    chmodSync(root, 0o755);
    await run(
      'debootstrap',
      ['--variant=minbase', `--include=${PACKAGES.join(',')}`, 'bookworm', root, MIRROR],
      {
        maxBuffer: 2 ** 26,
      },
    );
    await run('chroot', [root, 'useradd', '--uid', String(USER_ID), '--create-home', 'links']);
    const clone = join(root, CLONE);
    mkdirSync(clone, { recursive: true });
    for (const name of readdirSync(REPOSITORY).filter((entry) => !/^\.(git|run)/.test(entry)))
      cpSync(join(REPOSITORY, name), join(clone, name), { recursive: true, verbatimSymlinks: true });
    await run('chown', ['-R', `${USER_ID}:${USER_ID}`, clone]);
    return new SystemdMachine(root);
  }

  /** Starts process 1, and waits until it has started everything but what takes long. */
  async boot(): Promise<void> {
    const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--fork'];
    const args = [
      ...namespaces,
      '--kill-child',
      '--propagation',
      'private',
      'sh',
      '-ec',
      BOOT,
      'sh',
      this.#root,
    ];
    this.#init = spawn('unshare', args, { stdio: 'ignore' });
    const isUp = async (): Promise<boolean> =>
      /running|degraded|starting/.test(await this.sh('systemctl is-system-running; true'));
    await until('systemd to answer', isUp, { timeoutMs: 60_000, everyMs: 200 });
  }

  /** Runs a command as root on the machine. @returns its stdout. @throws Error with its stderr */
  async sh(command: string): Promise<string> {
    const target = String(this.#processId());
    const inside = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'sh', '-c', command];
    const { stdout } = await run('nsenter', ['--target', target, '--all', '--root', '--wd', ...inside], {
      timeout: COMMAND_MS,
    });
    return stdout;
  }

  /**
   * The id of its process 1 as this machine counts: the one child of `unshare`. Before that is systemd, its
   * root is the root of this machine, where no command of the test may run.
   */
  #processId(): number {
    const parent = this.#init?.pid ?? 0;
    const child = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim());
    if (readFileSync(`/proc/${child}/comm`, 'utf8') !== 'systemd\n') throw new Error('the machine is not up');
    return child;
  }

  /** Shuts the machine down in order, and boots it again. */
  async reboot(): Promise<void> {
    await this.#end('systemctl reboot');
    await this.boot();
  }

  async #end(command: string): Promise<void> {
    const init = this.#init;
    if (init === undefined) return;
    const ended = new Promise((resolve) => init.once('exit', resolve));
    if (init.exitCode === null && init.signalCode === null) {
      // The connection breaks off when the machine ends.
      await this.sh(command).catch(() => undefined);
      const late = setTimeout(() => init.kill('SIGKILL'), 90_000);
      await ended;
      clearTimeout(late);
    }
    this.#init = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('systemctl poweroff');
    rmSync(this.#root, { recursive: true });
  }
}
