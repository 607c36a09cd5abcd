import { formatTable } from '../../runtime/terminal/table.ts';
import type { Plan } from './plan.ts';
import { SENTENCES, type StepName } from './steps.ts';

const GROW = './scripts/keymill grow';

/** What a person must do before a step, besides typing it. */
const BEFORE: Partial<Readonly<Record<StepName, string>>> = {
  zookeeper: 'Needs about 1 GB of memory, and with the steps after it 2 GB.',
  stores:
    'Before it, send requests to both mappers: put both into your proxy. Each is restarted while the other serves.',
};

const AFTERWARDS = 'More urls servers cannot be added: their links would have to move. That comes later.';

/** The plan as a person reads it. */
export function describePlan({ steps, next, undo }: Plan): string[] {
  const rows = steps.map(({ name, state, why }) => [
    name,
    name === next ? (state === 'begun' ? 'half done' : 'next') : state === 'open' ? '-' : state,
    SENTENCES[name].does + (why === undefined ? '' : ` (${why})`),
  ]);
  const table = formatTable([{ title: 'STEP' }, { title: 'STATE' }, { title: 'WHAT IT DOES' }], rows);
  const before = next === undefined ? undefined : BEFORE[next];
  const ways = [
    ...(next === undefined
      ? ['The cluster is a full one. ./scripts/up --help shows how to change its numbers.']
      : [`Next:     ${GROW} --step ${next}`, `All:      ${GROW} --yes`]),
    ...(undo === undefined
      ? []
      : [`Undo:     ${GROW} --undo ${undo}`, `          ${SENTENCES[undo].undoes}`]),
  ];
  return [...table, '', ...(before === undefined ? [] : [before]), ...ways, AFTERWARDS];
}

/** How a person makes a full cluster of one that we do not run as processes. */
export const BY_HAND: readonly string[] = [
  'This cluster does not run as processes of ./scripts/up, so these steps are for your own tool. After each, the',
  'cluster serves as before, and every step can be taken back. Give all mappers and producers the same secret and',
  'region bits as now.',
  '',
  '  1. mapper     start a second mapper, and send requests to both',
  '  2. memory     MariaDB: SET GLOBAL max_connections = 1000, innodb_buffer_pool_size = 1 GiB, and the same in',
  '                its configuration',
  '  3. zookeeper  start three ZooKeeper servers',
  '  4. stores     start more Redis servers; make the keys-dbs: KEYMILL_KEYS_DBS=… ./scripts/keymill prepare.',
  '                Restart one mapper after the other with KEYMILL_ZOOKEEPER, all of KEYMILL_REDIS (the present',
  '                server stays the first) and KEYMILL_KEYS_DBS, and still KEYMILL_KEY_SOURCE=counter',
  '  5. producers  start producers with the same stores; wait until ./scripts/keymill pools shows every pool above',
  '                its low watermark',
  '  6. pools      restart one mapper after the other without KEYMILL_KEY_SOURCE',
  '',
  'docker-compose.yml shows all parts of a full cluster.',
];
