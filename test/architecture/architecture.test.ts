import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { measureHouse } from '../../scripts/checks/house.ts';
import { folderOf, parseSource, readSources, roomOf } from '../../scripts/checks/sources.ts';
import { FOLDERS, LOADED_WHEN_ASKED, MAPPER_ENTRIES, ROOMS, RULES } from './rules.ts';

const ROOT = join(import.meta.dirname, '../..');
const sources = readSources(ROOT);
const product = sources.filter(({ path }) => folderOf(path) !== 'test');

/** Each rule with a file that breaks it and a file that does not. */
const PLANTED: Readonly<Record<keyof typeof RULES, { violation: Planted[]; allowed: Planted[] }>> = {
  foldersPointDown: {
    violation: [['db/urls/a.ts', "import type { B } from '../../mapper/b.ts';"]],
    allowed: [['mapper/a.ts', "import type { B } from '../db/b.ts';"]],
  },
  programsUseServersOnly: {
    violation: [['drills/a.ts', "await import('../scripts/operator/b.ts');"]],
    allowed: [['drills/a.ts', "import { b } from '../scripts/cluster/b.ts';"]],
  },
  roomsKnowTheirRooms: {
    violation: [['mapper/http/a.ts', "import type { B } from '../shorten/b.ts';"]],
    allowed: [['mapper/shorten/a.ts', "import type { B } from '../http/b.ts';"]],
  },
  filesHaveNoCircle: {
    violation: [
      ['db/a.ts', "import type { B } from './b.ts';"],
      ['db/b.ts', "import { c } from './c.ts';"],
      ['db/c.ts', "import { a } from './a.ts';"],
    ],
    allowed: [
      ['db/a.ts', "import type { B } from './b.ts';"],
      ['db/b.ts', "// import { a } from './a.ts';"],
    ],
  },
  roomsHaveNoCircle: {
    violation: [
      ['mapper/keys/a.ts', "import type { B } from '../urls/b.ts';"],
      ['mapper/urls/b.ts', ''],
      ['mapper/urls/c.ts', "import type { D } from '../keys/d.ts';"],
      ['mapper/keys/d.ts', ''],
    ],
    allowed: [
      ['mapper/keys/a.ts', "import type { B } from '../urls/b.ts';"],
      ['mapper/urls/b.ts', ''],
    ],
  },
  mappersStartSmall: {
    violation: [
      ['mapper/main.ts', "import {\n  a,\n} from './a.ts';"],
      ['mapper/a.ts', "export { type Session } from '../coordinator/session.ts';"],
      ['coordinator/session.ts', "import './transport.ts';"],
      ['coordinator/transport.ts', ''],
    ],
    allowed: [
      ['mapper/main.ts', "import { a } from './a.ts';"],
      ['mapper/a.ts', "import type { T } from '../coordinator/transport.ts';\nawait import('./b.ts');"],
      ['mapper/b.ts', "import '../coordinator/transport.ts';"],
      ['coordinator/transport.ts', ''],
    ],
  },
  driversHaveOneHome: {
    violation: [['db/urls/a.ts', "import { Redis } from 'ioredis';"]],
    allowed: [['db/redis/redis.ts', "import { Redis } from 'ioredis';"]],
  },
  factsHaveOneHome: {
    violation: [['producer/a.ts', "const path = '/shard-locks/keys-db-1';"]],
    allowed: [['scripts/a.ts', "const path = '/shard-locks/keys-db-1';"]],
  },
  typesHaveNoHoles: {
    violation: [['db/a.ts', ['const b:', 'any = 1;'].join(' ')]],
    allowed: [['db/a.ts', 'const b: unknown = 1;']],
  },
  functionsAreShort: {
    violation: [['db/a.ts', `export async function a(\n): void {\n${'  b();\n'.repeat(100)}}`]],
    allowed: [['db/a.ts', `interface A {\n  a(): void;\n${'  b: 1;\n'.repeat(100)}}`]],
  },
  filesAreShort: {
    violation: [['db/a.ts', '\n'.repeat(400)]],
    allowed: [['db/a.ts', '\n'.repeat(200)]],
  },
};

type Planted = readonly [path: string, text: string];

describe('architecture', () => {
  it('covers the whole repository: every folder has files, and every import leads to a file', () => {
    for (const folder of Object.keys(FOLDERS)) {
      const files = product.filter(({ path }) => folderOf(path) === folder);
      expect(files.length, folder).to.be.at.least(15);
    }
    expect(product.length).to.be.at.least(330);
    expect(product.flatMap(({ imports }) => imports).length).to.be.at.least(1_000);
    const paths = new Set(sources.map(({ path }) => path));
    const dangling = sources
      .filter(({ path }) => !path.startsWith('test/architecture/'))
      .flatMap(({ path, imports }) =>
        imports.filter((file) => file.endsWith('.ts') && !paths.has(file)).map((file) => `${path} → ${file}`),
      );
    expect(dangling).to.deep.equal([]);
    expect([...paths]).to.include.members([...MAPPER_ENTRIES, ...LOADED_WHEN_ASKED]);
  });

  it('lists exactly the rooms that exist, for every folder with rooms', () => {
    for (const [folder, rooms] of Object.entries(ROOMS)) {
      const files = product.filter(({ path }) => folderOf(path) === folder);
      const found = new Set(files.map(({ path }) => roomOf(path)));
      expect([...found]).to.include.members(Object.keys(rooms));
      const subFolders = files
        .filter(({ path }) => path.split('/').length > 2)
        .map(({ path }) => roomOf(path));
      expect(Object.keys(rooms)).to.include.members(subFolders);
    }
  });

  for (const [name, { violation, allowed }] of Object.entries(PLANTED)) {
    const rule = RULES[name as keyof typeof PLANTED];
    it(`${name}: holds in our sources, and finds a planted violation`, () => {
      expect(rule(product)).to.deep.equal([]);
      expect(rule(violation.map(([path, text]) => parseSource(path, text)))).to.have.length(1);
      expect(rule(allowed.map(([path, text]) => parseSource(path, text)))).to.deep.equal([]);
    });
  }

  it('every imported package is declared', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const declared = new Set(Object.keys(manifest['dependencies'] ?? {}));
    const undeclared = product.flatMap(({ path, packages }) =>
      packages.filter((name) => !declared.has(name)).map((name) => `${path}: ${name}`),
    );
    expect(undeclared).to.deep.equal([]);
  });

  it('limits the floors of mapper and db, and the imports between their rooms', () => {
    const { mapper, db } = measureHouse(ROOT).folders;
    // The core has 6 floors. The API is one more: it shares the rules for fields with `shorten`. Between them
    // is the room for many links, and that for imports, which shares the reading of files with exports. Over
    // it, `link-services` is a part of the wiring in `handler`. Images are made with reservations, below the
    // API. `handler` knows what `open-images` and `open-views` have opened. It loads Koa and the
    // API when somebody asks: these are one more, and what they share with it another.
    expect(mapper?.rooms.floors).to.be.at.most(14);
    // The core has 50 and 14. Accounts and the API bring 8 and 1, own links 3 and 3, limits 5 and 0, the HTTP
    // of own links and the deletion of accounts 6 and 0, the reading of imports 1 and 0, reservations 5 and
    // 4, many links in one request 9 and 0, exports 1 and 0, the HTTP of repeated requests 6 and 0, QR codes
    // 1 and 0, following links with rules 4 and 0, passwords and visits of links 8 and 0, the file for the
    // services of links 7 and 0, the storing of imports 13 and 5, webhooks 11 and 1, the storing of clicks 0
    // and 3, the dimensions of clicks 8 and 0, jobs under a lease 1 and 1, questions about clicks 4 and 0,
    // live clicks 6 and 0, orphans 5 and 0, events of links 13 and 6, images with all that belongs to them 34
    // and 0, keys by counter 3 and 5, mappers that Redis knows 1 and 0, pages for people 15 and 0, those of
    // links, with their charts, 9 and 0, dashboards 1 and 5, the files of the wiring with which Koa and the
    // API are loaded 18 and 0, the collection of garbage 1 and 0.
    expect(mapper?.rooms.arrows).to.be.at.most(255);
    // Imports bind links like those of owners, so they are one floor above these. The last visit of a link is
    // taken with its event, so the outbox is one floor below links.
    expect(db?.rooms.floors).to.be.at.most(6);
    expect(db?.rooms.arrows).to.be.at.most(46);
  });
});
