import { expect } from 'chai';
import type { CommandResult } from '../../scripts/containers/docker.ts';
import { openEngine, type Engine } from '../../scripts/containers/engine.ts';
import { ownImage } from '../../scripts/containers/image.ts';

describe('the production image', function () {
  this.timeout(120_000);
  let engine: Engine;

  before(async () => {
    engine = await openEngine(() => undefined);
  });

  after(async () => engine.release());

  /** Runs Node in the image with a read-only root, as a cluster does, and without a network. */
  async function node(args: readonly string[], ...options: string[]): Promise<CommandResult> {
    const run = ['run', '--rm', '--read-only', '--network=none', ...options, ownImage(), ...args];
    return engine.docker.try(run);
  }

  it('contains the programs and their modules, and no drills, benches, tests or docs', async () => {
    const script =
      "const { readdirSync } = require('fs'); console.log(readdirSync('/').join(), readdirSync('/keymill').join())";
    const [root = '', keymill = ''] = (await node(['-e', script])).stdout.trim().split(' ');
    expect(keymill.split(',')).to.have.members([
      'LICENSE',
      'compile-cache',
      'coordinator',
      'db',
      'mapper',
      'node_modules',
      'package.json',
      'producer',
      'runtime',
      'scripts',
    ]);
    expect(root.split(',')).to.include.members(['bin', 'etc', 'keymill']).and.not.include('root-fs');
    const { exitCode } = await node(['-e', "require('fs').statSync('/bin/sh')"]);
    expect(exitCode, 'there is no shell').to.equal(1);
  });

  it('says that drills and benches are not in it, exit code 1', async () => {
    for (const command of ['drill', 'bench']) {
      const { exitCode, stdout, stderr } = await node(['scripts/keymill.ts', command, '--list']);
      expect({ exitCode, stdout }).to.deep.equal({ exitCode: 1, stdout: '' });
      expect(stderr).to.equal(
        `keymill: "${command}" is not part of the production image; run it from a clone of the repository\n`,
      );
    }
  });

  it('contains every module compiled: no process loads the type stripper', async () => {
    for (const main of ['mapper/main.ts', 'producer/main.ts', 'producer/worker-main.ts']) {
      const { stderr } = await node([main], '--env=NODE_DEBUG_NATIVE=COMPILE_CACHE');
      const asked = stderr.match(/reading cache from .* for StrippedTypeScript/g) ?? [];
      const found = stderr.match(/reading cache from .* for StrippedTypeScript .*success/g) ?? [];
      expect(asked, main).to.have.length.above(5);
      expect(found, main).to.have.length(asked.length);
    }
  });
});
