import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { folderOf, readSources } from '../../scripts/checks/sources.ts';

const ROOT = join(import.meta.dirname, '../..');
const SERVED = ['coordinator', 'db', 'mapper', 'producer', 'runtime'];

describe('the compiled modules of our image', () => {
  it('have those that are loaded when somebody asks: else the type stripper is loaded too, 25 to 40 MB', () => {
    const loadedLater = readSources(ROOT)
      .filter(({ path }) => SERVED.includes(folderOf(path)))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/ import\('(\.[^']+\.ts)'\)/g)].map(([, to = '']) => join(dirname(path), to)),
      );
    expect(loadedLater).to.include.members(['mapper/open-api.ts', 'db/blobs/s3-store.ts']);
    const warmed = readFileSync(join(ROOT, 'scripts/containers/warm-cache.mjs'), 'utf8');
    expect(loadedLater.filter((path) => !warmed.includes(`['${path}']`))).to.deep.equal([]);
  });
});
