import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { VARIABLES, type Variable } from '../../runtime/config/env.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');

describe('docs/configuration.md', () => {
  it('has a row for every variable, with its meaning, default and unit, and for no other', () => {
    const cells = page
      .split('\n')
      .filter((line) => line.startsWith('| `KEYMILL_'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const documented = new Map(
      cells.map(([, name, meaning, fallback, unit]) => [name, { meaning, fallback, unit }]),
    );
    for (const [name, variable] of Object.entries<Variable>(VARIABLES)) {
      const row = documented.get(`\`KEYMILL_${name}\``);
      expect(row?.meaning, name).to.contain(variable.meaning);
      expect(row?.fallback, name).to.equal(variable.default ?? 'none: must be set');
      expect(row?.unit, name).to.equal(variable.unit ?? '');
    }
    expect(documented.size).to.equal(Object.keys(VARIABLES).length);
  });
});
