import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { findDeclaredMetrics, strangersIn } from './declared-metrics.ts';
import { runPromtool } from './promtool.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

const { panels } = JSON.parse(readFileSync(join(REPOSITORY, 'deploy/grafana.json'), 'utf8')) as {
  panels: readonly Panel[];
};
const targets = panels.flatMap(({ title, targets: of = [] }) => of.map((target) => ({ title, ...target })));

describe('deploy/grafana.json', () => {
  it('asks only for what producers and mappers measure', async () => {
    const declared = await findDeclaredMetrics();
    expect(targets).to.have.length.above(30);
    const strangers = targets.flatMap(({ title, expr }) =>
      strangersIn(expr, declared).map((name) => `${title}: ${name}`),
    );
    expect(strangers).to.deep.equal([]);
    const unknownLegends = targets.flatMap(({ title, expr, legendFormat }) =>
      [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)]
        .map(([, label = '']) => label)
        .filter((label) => label !== 'instance' && !new RegExp(`by \\([^)]*\\b${label}\\b`).test(expr))
        .map((label) => `${title}: ${label}`),
    );
    expect(unknownLegends).to.deep.equal([]);
  });

  it('has expressions that Prometheus understands', () => {
    const rules = targets.map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }));
    const { status, text } = runPromtool(['check', 'rules'], { groups: [{ name: 'panels', rules }] });
    expect({ status, text }).to.deep.include({ status: 0 });
    const wrong = runPromtool(['check', 'rules'], {
      groups: [{ name: 'panels', rules: [{ record: 'x', expr: 'sum by (' }] }],
    });
    expect(wrong.status).to.equal(1);
  });

  it('has panels side by side, each with an id and the chosen data source', () => {
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
    expect(panels.filter(({ type, datasource }) => type !== 'row' && datasource?.uid !== '${datasource}')).to
      .be.empty;
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).to.be.at.most(24);
      return Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`);
    });
    expect(new Set(cells).size).to.equal(cells.length);
  });
});
