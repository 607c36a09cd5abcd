import type { ClusterFile } from './cluster-file.ts';
import type { ProgressLog } from './progress-log.ts';
import type { RunDir } from './run-dir.ts';

interface Summary {
  readonly file: ClusterFile;
  readonly runDir: RunDir;
  readonly progress: ProgressLog;
  readonly isDetached: boolean;
}

/** Prints on stdout where each part runs and what to try next. */
export function printSummary({ file, runDir, progress, isDetached }: Summary): void {
  const [first] = file.mappers;
  const last = file.mappers.at(-1);
  const isSmall = file.zookeeper.connect === '';
  const lines = [
    '',
    `Ready after ${progress.seconds.toFixed(1)} s.`,
    '',
    ...table([
      ...file.mappers.map(({ id, url, admin }) => [id, url, `admin ${admin}`]),
      ...file.producers.map(({ id, admin }) => [id, '', `admin ${admin}`]),
      ...(isSmall ? [] : [['ZooKeeper', file.zookeeper.connect, '']]),
      ...file.redis.map(({ name, url }) => [name, `127.0.0.1:${new URL(url).port}`, '']),
      ...file.mysql.map(({ name, port }) => [name, `127.0.0.1:${port}`, contentsOf(file, name, port)]),
    ]),
    '',
    `Logs: ${runDir.logs}/`,
    `Passwords and admin token: ${runDir.clusterFile}`,
    ...(first === undefined || last === undefined ? [] : example(first.url, last.url)),
    'More:',
    '  ./scripts/keymill status',
    ...(isSmall ? SMALL_MORE : MORE),
    isDetached
      ? '  ./scripts/down                 (keeps the data; --wipe deletes it)'
      : 'Ctrl-C stops the cluster and keeps the data.',
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const MORE = ['  ./scripts/keymill zk ls /shard-locks', '  ./scripts/up --producers 4 --detach'];
const SMALL_MORE = [
  '  sudo ./scripts/keymill service install   (starts it at every boot)',
  '  ./scripts/keymill grow          (makes a full cluster of it, step by step)',
];

function example(shortenAt: string, followAt: string): string[] {
  return [
    '',
    shortenAt === followAt
      ? 'Shorten a URL, and follow the link:'
      : 'Shorten at one mapper, and follow the link at the other:',
    `  key=$(curl -s ${shortenAt}/urls -H 'content-type: application/json' \\`,
    `    -d '{"long_url":"https://example.com/hello"}' |`,
    `    sed -E 's/.*"unique_id":"([^"]+)".*/\\1/'); echo "$key"`,
    `  curl -si ${followAt}/$key`,
    '',
  ];
}

function contentsOf(file: ClusterFile, name: string, port: number): string {
  const onPort = (url: string): boolean => new URL(url).port === String(port);
  const keysDbs = file.keysDbs.filter(({ url }) => onPort(url)).map((db) => db.name);
  const slots = file.urlsDbs.filter(({ url }) => onPort(url)).map((db) => `slots ${db.slots} of urls`);
  const parts = [
    ...(keysDbs.length > 1 ? [`${keysDbs[0]} to ${keysDbs.at(-1)}`] : keysDbs),
    ...(onPort(file.usersDb.url) ? ['users'] : []),
    ...slots,
  ];
  return parts.length === 0 ? name : parts.join(', ');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}
