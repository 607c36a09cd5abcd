import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import {
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { parseUpOptions } from '../cluster/options.ts';
import { REPOSITORY, RunDir } from '../cluster/run-dir.ts';
import { otherNumbers, type WantedShape } from '../cluster/shape.ts';
import { State } from '../cluster/state.ts';
import { forgetServiceSettings, settingsIn } from '../cluster/service-settings.ts';
import { cloneLineOf, formatSettings, formatUnit, isOurUnit, optionsOf } from './service-unit.ts';
import {
  findText,
  giveToOwner,
  linkUnit,
  ownerOf,
  removeFile,
  seenFrom,
  serviceFiles,
  writeText,
  type Owner,
  type ServiceFiles,
} from './sources/service-files.ts';
import { readUnitState, requireSystemd, runsSystemd, systemctl, type UnitState } from './sources/systemd.ts';

interface Options {
  readonly name: string;
  readonly root?: string;
  readonly start?: boolean;
  readonly json?: true;
}

/** `systemctl start` returns when the cluster is ready; the unit has the same limit. */
const START_MS = 15 * 60_000;
/** `systemctl disable --now` returns when the cluster is stopped. */
const STOP_MS = 4 * 60_000;

export function addServiceCommand(program: Command, terminal: Terminal): void {
  const service = program
    .command('service')
    .description('Lets systemd run the cluster of this folder: it comes back after a reboot.')
    .helpCommand(false);
  const withPlace = (command: Command): Command =>
    command
      .option('--name <name>', 'of the service, where several clusters run on one machine', 'keymill')
      .option('--root <folder>', 'not this machine, but the one whose / this folder is, such as an image');
  withPlace(service.command('install'))
    .summary('start the cluster now and at every boot')
    .description(
      'Writes a systemd unit that starts ./scripts/up with these options at every boot, starts parts again that ' +
        'end, and stops by ./scripts/down. It runs as the owner of this folder. Done again, it changes only what differs.',
    )
    .argument('[up-options...]', 'of ./scripts/up, such as --small')
    .allowUnknownOption()
    .option('--no-start', 'only at the next boot')
    .option(
      '--json',
      `${ONE_JSON_DOCUMENT}: {"name","unit","settings","user","options","changed","started","taken"}`,
    )
    .addHelpText(
      'after',
      '\nSettings, such as KEYMILL_PUBLIC_URL, are in /etc/default/keymill. The first installation puts\n' +
        'the variables KEYMILL_… of its shell there, and says which: sudo drops them, unless it is\n' +
        'sudo --preserve-env=KEYMILL_PUBLIC_URL,… From then on the file is yours.\n' +
        '\nLogs: journalctl -u keymill. Stop: systemctl stop keymill. Both as root.',
    )
    .action(async (upOptions: string[], options: Options) => install(terminal, upOptions, options));
  withPlace(service.command('remove'))
    .summary('stop the cluster, and start it no more at boot')
    .description('Stops the cluster and removes its unit. Data, settings and logs stay.')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"name","removed"}`)
    .action(async (options: Options) => remove(terminal, options));
  service
    .command('status')
    .summary('whether the service is installed and runs')
    .description('Shows the service. Exit code 0 when it is installed and active, else 1.')
    .option('--name <name>', 'of the service', 'keymill')
    .option(
      '--json',
      `${ONE_JSON_DOCUMENT}: {"name","installed","options","enabled","active","status","since","restarts"}`,
    )
    .action(async (options: Options) => status(terminal, options));
}

async function install(terminal: Terminal, upOptions: readonly string[], options: Options): Promise<void> {
  const { name, files, root } = placeOf(options);
  const parsed = parseUpOptions(upOptions, (text) => void terminal.stderr.write(text));
  if (parsed.containers)
    throw new UsageError('--containers: Docker itself starts containers at boot: systemctl enable docker');
  if (parsed.faultable || parsed.serversOnly || parsed.repair)
    throw new UsageError('only options of a usual cluster can be given to a service');
  if (options.root === undefined) requireSystemdAsRoot('install');
  const owner = ownerOf(root, REPOSITORY);
  const settings = {
    clone: seenFrom(root, REPOSITORY),
    user: owner.user,
    group: owner.group,
    settingsFile: seenFrom(root, files.settings),
    options: upOptions.filter((option) => option !== '--detach'),
  };
  const unit = formatUnit(settings);
  refuseForeign(files, unit);
  const variables = settingsIn(terminal.env);
  const isFirst = findText(files.settings) === undefined;
  if (isFirst) writeText(files.settings, formatSettings(variables), 0o600);
  else noteUnused(terminal, files, variables);
  const before = findText(files.unit);
  const hasChanged = writeText(files.unit, unit, 0o644);
  const isStarted = options.root === undefined && options.start !== false;
  if (options.root === undefined) {
    noteOtherNumbers(terminal, parsed, runDirOf(files));
    giveClusterTo(owner, runDirOf(files));
    await systemctl(['daemon-reload']);
    await systemctl(['enable', name]);
    if (isStarted) {
      note(terminal, `starting ${name} … (journalctl -u ${name} shows how)`);
      await start(name);
    }
  } else linkUnit(files);
  const { user } = settings;
  if (options.json)
    printJson(terminal, {
      name,
      unit: files.unit,
      settings: files.settings,
      user,
      options: settings.options,
      changed: hasChanged,
      started: isStarted,
      taken: isFirst ? Object.keys(variables) : [],
    });
  else
    printLines(terminal, [
      `${files.unit} ${before === undefined ? 'is written' : hasChanged ? 'has changed' : 'is as it should be'}`,
      `it starts at every boot, as ${user}, with the settings of ${files.settings}`,
      ...(isFirst ? [describeTaken(Object.keys(variables), files)] : []),
      ...(isStarted ? ['the cluster is ready'] : []),
    ]);
  if (before !== undefined && hasChanged && isStarted)
    note(terminal, `a cluster that ran already takes the new options at: systemctl restart ${name}`);
}

/** @throws RefusedError that says where the reason is */
async function start(name: string): Promise<void> {
  try {
    await systemctl(['start', name], START_MS);
  } catch (error) {
    throw new RefusedError(`${name} is installed and does not start: journalctl -u ${name} says why`, error);
  }
}

async function remove(terminal: Terminal, options: Options): Promise<void> {
  const { name, files } = placeOf(options);
  if (options.root === undefined) requireSystemdAsRoot('remove');
  const text = findText(files.unit);
  if (text !== undefined) {
    if (!isOurUnit(text)) throw notOurs(files);
    if (options.root === undefined) await systemctl(['disable', '--now', name], STOP_MS);
    removeFile(files.link);
    removeFile(files.unit);
    if (options.root === undefined) {
      await systemctl(['daemon-reload']);
      forgetServiceSettings(runDirOf(files));
    }
  }
  if (options.json) printJson(terminal, { name, removed: text !== undefined });
  else if (text === undefined) printLines(terminal, [`there is no service ${name}`]);
  else
    printLines(terminal, [
      `${name} ${options.root === undefined ? 'is stopped and ' : ''}does not start at boot any more`,
      `data and settings stay: ./scripts/down --wipe deletes the data, rm ${files.settings} the settings`,
    ]);
}

const NOT_RUNNING: UnitState = { enabled: '', active: 'inactive', status: '', since: '', restarts: 0 };

async function status(terminal: Terminal, options: Options): Promise<void> {
  const { name, files } = placeOf(options);
  const text = findText(files.unit);
  const isInstalled = text !== undefined && isOurUnit(text);
  const state = isInstalled && runsSystemd() ? await readUnitState(`${name}.service`) : NOT_RUNNING;
  const upOptions = isInstalled ? optionsOf(text) : '';
  if (options.json) printJson(terminal, { name, installed: isInstalled, options: upOptions, ...state });
  else
    printLines(
      terminal,
      formatTable(
        [{ title: name }, { title: isInstalled ? '' : 'not installed: keymill service install' }],
        isInstalled
          ? [
              ['options', upOptions],
              ['at boot', state.enabled],
              ['now', [state.active, state.status].filter((word) => word !== '').join(', ')],
              ['since', state.since],
              ['started again', String(state.restarts)],
            ]
          : [],
      ),
    );
  if (!isInstalled || state.active !== 'active') terminal.exitCode = 1;
}

function placeOf({ name, root }: Options): { name: string; root: string; files: ServiceFiles } {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name))
    throw new UsageError(`--name ${name}: expected a letter, then letters, digits, - and _`);
  if (root !== undefined && statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UsageError(`--root ${root}: expected the folder that is / on the machine with the service`);
  const folder = resolve(root ?? '/');
  return { name, root: folder, files: serviceFiles(folder, name) };
}

function requireSystemdAsRoot(action: string): void {
  requireSystemd();
  if (process.getuid?.() !== 0)
    throw new RefusedError(`only root can do this: sudo ./scripts/keymill service ${action} …`);
}

/** @throws RefusedError when the name belongs to a service of others, or of another clone */
function refuseForeign(files: ServiceFiles, ours: string): void {
  const text = findText(files.unit);
  if (text === undefined) return;
  if (!isOurUnit(text)) throw notOurs(files);
  if (cloneLineOf(text) !== cloneLineOf(ours))
    throw new RefusedError(
      `${files.unit} runs the cluster of another folder: choose another --name, or remove it first`,
    );
}

function notOurs({ unit }: ServiceFiles): RefusedError {
  return new RefusedError(`${unit} was not written by keymill service install: choose another --name`);
}

function noteUnused(terminal: Terminal, { settings }: ServiceFiles, variables: Record<string, string>): void {
  const names = Object.keys(variables);
  if (names.length > 0)
    note(
      terminal,
      `${names.join(', ')} of this shell: not used, because ${settings} exists; change it there`,
    );
}

/** Numbers of servers count at the first start only: the data depend on them. */
function noteOtherNumbers(terminal: Terminal, wanted: WantedShape, runDir: RunDir): void {
  const { shape, isEstablished = false } = State.find(runDir) ?? {};
  const others = shape === undefined || !isEstablished ? [] : otherNumbers(wanted, shape);
  if (others.length > 0)
    note(
      terminal,
      `${others.join(' ')}: not used, because there is a cluster with other numbers of servers. ` +
        `To change them: ./scripts/up --detach ${others.join(' ')}`,
    );
}

/**
 * What the launcher of this command made as root belongs to the owner of the clone, who could not start a
 * cluster there.
 * @throws RefusedError when the data of a cluster belong to somebody else
 */
function giveClusterTo(owner: Owner, runDir: RunDir): void {
  const { uid, user } = owner;
  if (existsSync(runDir.stateFile) && statSync(runDir.stateFile).uid !== uid)
    throw new RefusedError(
      `${runDir.path} does not belong to ${user}, who owns ${REPOSITORY}: ` +
        `stop the cluster there, then chown -R ${user} ${runDir.path}`,
    );
  for (const path of new Set([join(REPOSITORY, '.run'), join(REPOSITORY, 'node_modules'), runDir.path]))
    giveToOwner(path, owner);
}

/** Which settings the first installation has put into its file: `sudo` drops those of the shell. */
function describeTaken(names: readonly string[], { settings }: ServiceFiles): string {
  return names.length > 0
    ? `${settings} now has ${names.join(', ')} of this shell`
    : `${settings} is empty, as this shell has no variables KEYMILL_… (sudo drops them): write them there, then restart the service`;
}

/** The run folder of a service, which its settings may name. */
function runDirOf(files: ServiceFiles): RunDir {
  const named = /^KEYMILL_RUN_DIR="?([^"\n]*)"?$/m.exec(findText(files.settings) ?? '')?.[1];
  return new RunDir(named ?? '');
}
