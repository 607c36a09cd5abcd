import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { HEALTHY, SICK } from './alert-cases.ts';
import { findDeclaredMetrics, strangersIn } from './declared-metrics.ts';
import { runPromtool } from './promtool.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

const FILE = join(REPOSITORY, 'deploy/alerts.yml');
const { groups } = parse(readFileSync(FILE, 'utf8')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** The headings of the alarms, without marks. */
function readAlarms(): string[] {
  const page = readFileSync(join(REPOSITORY, 'docs/operations.md'), 'utf8');
  const section = /\n## Alarms\n([^]*?)\n## /.exec(page)?.[1] ?? '';
  return [...section.matchAll(/^### (.*)$/gm)].map(([, heading = '']) => heading.replaceAll('`', ''));
}

describe('deploy/alerts.yml', () => {
  it('has a rule for each alarm of the runbook, and no other', () => {
    const alarms = readAlarms();
    expect(alarms).to.have.length.above(25);
    const named = rules.flatMap(({ annotations }) => annotations.runbook.split('; '));
    expect(named.toSorted()).to.deep.equal(alarms.toSorted());
  });

  it('asks only for what producers and mappers measure', async () => {
    const declared = await findDeclaredMetrics();
    const strangers = rules.flatMap(({ alert, expr }) =>
      strangersIn(expr, declared).map((name) => `${alert}: ${name}`),
    );
    expect(strangers).to.deep.equal([]);
    expect(strangersIn('sum by (colour) (keymill_no_such{pool="x"})', declared)).to.deep.equal([
      'keymill_no_such',
      'pool',
      'colour',
    ]);
  });

  it('is read by Prometheus, raises each alarm when it should, and none in a healthy cluster', () => {
    expect(Object.keys(SICK).toSorted()).to.deep.equal(rules.map(({ alert }) => alert).toSorted());
    const { status, text } = runPromtool(['test', 'rules'], testsOf(FILE));
    expect(status, text).to.equal(0);
  });
});

/** Tests of promtool: nothing is wrong; everything is. */
function testsOf(file: string): object {
  const none = (evalTime: string, of: readonly Rule[]): object[] =>
    of.map(({ alert }) => ({ eval_time: evalTime, alertname: alert, exp_alerts: [] }));
  const raised = rules.map((rule) => ({
    eval_time: '45m',
    alertname: rule.alert,
    exp_alerts: [expected(rule, SICK[rule.alert]?.labels ?? {})],
  }));
  const sick = Object.assign({}, ...Object.values(SICK).map(({ series }) => series)) as typeof HEALTHY;
  const slow = rules.filter((rule) => rule.for !== undefined);
  return {
    rule_files: [file],
    evaluation_interval: '30s',
    tests: [
      { ...inputOf(HEALTHY), alert_rule_test: [...none('5m', rules), ...none('45m', rules)] },
      { ...inputOf(sick), alert_rule_test: [...none('0m', slow), ...raised] },
    ],
  };
}

function inputOf(series: Readonly<Record<string, string>>): object {
  return {
    interval: '30s',
    input_series: Object.entries(series).map(([name, values]) => ({ series: `keymill_${name}`, values })),
  };
}

function expected(
  { labels: { severity }, annotations }: Rule,
  labels: Readonly<Record<string, string>>,
): object {
  const summary = annotations.summary.replaceAll(
    /\{\{ \$labels\.(\w+) \}\}/g,
    (_, name: string) => labels[name] ?? '',
  );
  return { exp_labels: { severity, ...labels }, exp_annotations: { ...annotations, summary } };
}
