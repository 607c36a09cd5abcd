import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

describe('copies of modules without types', () => {
  let folder: string;
  let copies: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keymill-plain-'));
    copies = mkdtempSync(join(folder, 'copies-'));
    writeFileSync(join(folder, 'one.ts'), 'export const one: number = 1;\n');
    writeFileSync(
      join(folder, 'main.ts'),
      `console.log((await import(${JSON.stringify('./one.ts')})).one as number);\n`,
    );
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function run(): string {
    const hook = pathToFileURL(join(REPOSITORY, 'scripts/cluster/plain-modules.mjs'));
    hook.searchParams.set('folder', copies);
    // Node's own stripper is off, so what runs is a copy.
    const args = ['--no-experimental-strip-types', `--import=${hook.href}`, join(folder, 'main.ts')];
    return execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  }

  function texts(): string[] {
    return readdirSync(copies)
      .toSorted()
      .map((name) => readFileSync(join(copies, name), 'utf8'));
  }

  it('are made again when a loss of power has emptied, cut or blanked them', () => {
    expect(run()).to.equal('1\n');
    const whole = texts();
    expect(whole).to.have.length(2);
    for (const damage of [
      (path: string) => truncateSync(path, 0),
      (path: string) => truncateSync(path, 40),
      (path: string) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
      (path: string) => writeFileSync(path, readFileSync(path, 'utf8').replace('one', '\0\0\0')),
    ]) {
      for (const name of readdirSync(copies)) damage(join(copies, name));
      expect(run()).to.equal('1\n');
      expect(texts()).to.deep.equal(whole);
    }
  });
});
