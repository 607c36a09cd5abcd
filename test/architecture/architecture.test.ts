import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { folderOf, readSources, ROOT } from './imports.ts';

const sources = readSources();
const product = sources.filter(({ path }) => folderOf(path) !== 'test');

/** Which folders a folder may import from, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  runtime: [],
  coordinator: ['runtime'],
  db: ['runtime'],
  producer: ['coordinator', 'db', 'runtime'],
  mapper: ['coordinator', 'db', 'runtime'],
  scripts: ['producer', 'mapper', 'coordinator', 'db', 'runtime'],
  drills: ['scripts', 'producer', 'mapper', 'coordinator', 'db', 'runtime'],
  bench: ['scripts', 'producer', 'mapper', 'coordinator', 'db', 'runtime'],
};

/** The one file that may import each driver; beside it only the bench that measures what the bare driver does. */
const DRIVERS: Record<string, readonly string[]> = {
  'node-zookeeper-client': ['coordinator/transport.ts'],
  ioredis: ['db/redis/redis.ts'],
  mysql2: ['db/mysql/driver.ts', 'bench/load/raw-mysql-main.ts'],
  knex: ['db/mysql/migrate.ts'],
};

/** Whether a file runs in a producer or a mapper; the others are what a person runs. */
function isServed(path: string): boolean {
  return !['scripts', 'drills', 'bench'].includes(folderOf(path));
}

function offences(check: (source: (typeof product)[number]) => readonly string[]): string[] {
  return product.flatMap((source) => check(source).map((offence) => `${source.path}: ${offence}`));
}

describe('architecture', () => {
  it('is read whole: every folder has files, and the scan sees their imports', () => {
    for (const folder of Object.keys(MAY_IMPORT)) {
      expect(
        product.filter(({ path }) => folderOf(path) === folder),
        folder,
      ).to.have.length.above(2);
    }
    expect(product.flatMap(({ imports }) => imports)).to.have.length.above(50);
    const paths = new Set(sources.map(({ path }) => path));
    const dangling = sources.flatMap(({ path, imports }) =>
      imports.filter((file) => file.endsWith('.ts') && !paths.has(file)).map((file) => `${path} → ${file}`),
    );
    expect(dangling).to.deep.equal([]);
  });

  it('imports only point down, and producer and mapper never meet', () => {
    const upward = offences(({ path, imports }) => {
      const folder = folderOf(path);
      const allowed = new Set([folder, ...(MAY_IMPORT[folder] ?? [])]);
      return imports.filter((file) => file.endsWith('.ts') && !allowed.has(folderOf(file)));
    });
    expect(upward).to.deep.equal([]);
  });

  it('each driver is imported in one place', () => {
    for (const [driver, homes] of Object.entries(DRIVERS)) {
      const importers = product.filter(({ packages }) => packages.includes(driver)).map(({ path }) => path);
      expect(importers, driver).to.have.members([...homes]);
    }
  });

  it('every imported package is declared', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const declared = new Set(Object.keys(manifest['dependencies'] ?? {}));
    expect(offences(({ packages }) => packages.filter((name) => !declared.has(name)))).to.deep.equal([]);
  });

  it('process.env is read in one place', () => {
    const readers = product.filter(({ path, text }) => isServed(path) && text.includes('process.env'));
    expect(readers.map(({ path }) => path)).to.deep.equal(['runtime/config/env.ts']);
  });

  it('znode paths stand in one file, Redis key names in one file', () => {
    const served = product.filter(({ path }) => isServed(path));
    const holding = (pattern: RegExp): string[] =>
      served.filter(({ text }) => pattern.test(withoutComments(text))).map(({ path }) => path);
    expect(holding(/['"`]\/(shard-locks|producers|mappers|keymill)\b/)).to.deep.equal([
      'coordinator/paths.ts',
    ]);
    expect(holding(/['"`](keys:available|producer:|keymill:invalidate|incarnation['"`])/)).to.deep.equal([
      'db/redis/redis-keys.ts',
    ]);
  });

  it('has no holes in the types', () => {
    const holes = sources.flatMap(({ path, text }) =>
      path.startsWith('test/architecture')
        ? []
        : [
            ...withoutComments(text).matchAll(
              /: any\b|<any>|@ts-(?:ignore|nocheck|expect-error)|export default/g,
            ),
          ].map(([hole]) => `${path}: ${hole}`),
    );
    expect(holes).to.deep.equal([]);
  });

  it('every file can be read in one sitting', () => {
    const long = sources.filter(({ text }) => text.split('\n').length > 320).map(({ path }) => path);
    expect(long).to.deep.equal([]);
  });
});

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}
