import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMetrics, METRIC_PREFIX } from '../../runtime/metrics.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

const DECLARATION =
  /\.(counter|gauge|histogram|tally|distribution)\(\s*'([a-z_]+)',\s*(?:'[^']*'|"[^"]*")(?:,\s*\[([^\]]*)\])?/g;

/** Every series of producers and mappers, with the names of its labels, as their sources declare it. */
export async function findDeclaredMetrics(): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const path of globSync('{mapper,producer}/**/*.ts', { cwd: REPOSITORY })) {
    const source = readFileSync(join(REPOSITORY, path), 'utf8');
    for (const [, kind, name = '', list = ''] of source.matchAll(DECLARATION)) {
      const labels = [...list.matchAll(/'([a-z_]+)'/g)].map(([, label = '']) => label);
      const full = METRIC_PREFIX + name;
      if (kind === 'histogram' || kind === 'distribution') {
        found.set(`${full}_bucket`, ['le', ...labels]);
        for (const end of ['sum', 'count']) found.set(`${full}_${end}`, labels);
      } else found.set(full, [...new Set([...labels, ...(found.get(full) ?? [])])]);
    }
  }
  for (const [, name = ''] of (await createMetrics().text()).matchAll(/^# TYPE (\w+)/gm)) found.set(name, []);
  return found;
}

/** Labels that Prometheus itself adds. */
const ADDED = ['instance', 'job'];

/** What in an expression of Prometheus no process has: names of series, and labels that none of them has. */
export function strangersIn(expression: string, declared: ReadonlyMap<string, readonly string[]>): string[] {
  const names = [...expression.matchAll(/\bkeymill_\w+/g)].map(([name]) => name);
  const known = [...ADDED, ...names.flatMap((name) => declared.get(name) ?? [])];
  const labels = [
    ...[...expression.matchAll(/\{([^}]*)\}/g)].flatMap(([, matchers = '']) =>
      [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    ),
    ...[...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/)),
  ];
  return [
    ...(names.length === 0 ? ['(no series of ours)'] : names.filter((name) => !declared.has(name))),
    ...labels.filter((label) => !known.includes(label)),
  ];
}
