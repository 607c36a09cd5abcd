import { spawnSync } from 'node:child_process';
import { expect } from 'chai';

/** Fills the young generation as a server of many small requests does, and prints its sizes in MiB. */
const FILL = `
  const { getHeapSpaceStatistics } = await import('node:v8');
  const underWay = [];
  const sizes = [];
  for (let i = 0; i < 40; i++) {
    for (let j = 0; j < 20_000; j++) underWay[j % 3_000] = { j, parts: [j] };
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    sizes.push(Math.round(young.space_size / 2 ** 20));
  }
  console.log(JSON.stringify(sizes));
`;

/** The default of V8 on machines with enough memory. */
const MAXIMUM = '--max-semi-space-size=16';
const MODULE = new URL('../../mapper/v8-flags.ts', import.meta.url).href;

function fill(before: string): { sizes: number[]; stderr: string } {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [MAXIMUM, '--input-type=module', '--eval', before + FILL],
    {
      encoding: 'utf8',
    },
  );
  return { sizes: JSON.parse(stdout) as number[], stderr };
}

describe('mapper/v8-flags', () => {
  it('lets the young generation reach its full size in one step, and writes nothing to stderr', () => {
    const { sizes, stderr } = fill(`await import('${MODULE}');`);
    expect(stderr).to.equal('');
    expect(sizes.at(-1)).to.equal(32);
  });

  it('is necessary: by default V8 doubles that size each time that enough objects have survived', () => {
    expect(fill('').sizes.at(-1)).to.be.lessThan(32);
  });
});
