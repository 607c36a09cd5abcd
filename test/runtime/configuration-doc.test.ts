import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Variable } from '../../runtime/config/variable.ts';
import { VARIABLES } from '../../runtime/config/variables.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');

/** How the page must describe a variable. */
function entryOf(name: string, { meaning, tradeOff, default: fallback, unit, secret }: Variable): string {
  const value = fallback === undefined ? 'none, must be set' : [fallback, unit].filter(Boolean).join(' ');
  return [
    `- **\`${name}\`**: ${meaning}`,
    `  - Default: ${value}`,
    ...(tradeOff === undefined ? [] : [`  - Trade-off: ${tradeOff}`]),
    ...(secret === undefined ? [] : [`  - Secret: may be in the file that \`${name}_FILE\` names`]),
  ].join('\n');
}

describe('docs/configuration.md', () => {
  it('describes every variable as the code does, and no other', () => {
    const entries = page.split(/\n(?=- \*\*)|\n\n/).filter((text) => text.startsWith('- **`KEYMILL_'));
    const expected = Object.entries<Variable>(VARIABLES).map(([name, variable]) =>
      entryOf(`KEYMILL_${name}`, variable),
    );
    expect(entries.map((entry) => entry.trimEnd())).to.deep.equal(expected);
  });
});
