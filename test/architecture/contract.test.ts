import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PATHS } from '../../coordinator/paths.ts';
import { isReserved } from '../../db/keyspace/reserved.ts';
import {
  acknowledgementChannel,
  COUNTER_KEY,
  INCARNATION_KEY,
  INVALIDATION_CHANNEL,
  KEYSPACE_KEY,
  POOL_KEY,
  QUESTION_CHANNEL,
} from '../../db/redis/redis-keys.ts';
import { PROBLEMS } from '../../mapper/http/problem.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

const contract = readFileSync(join(REPOSITORY, 'docs/contract.md'), 'utf8');

function readSources(pattern: string): string[] {
  return globSync(pattern, { cwd: REPOSITORY }).map((file) => readFileSync(join(REPOSITORY, file), 'utf8'));
}

describe('docs/contract.md', () => {
  it('lists exactly the reserved words', () => {
    const [words = ''] = /(?<=```\n)urls users [^`]+(?=```)/.exec(contract) ?? [];
    const listed = words.trim().split(/\s+/);
    expect(listed).to.have.length.above(20);
    expect(listed.filter((word) => !isReserved(word))).to.deep.equal([]);
    const source = readFileSync(join(REPOSITORY, 'db/keyspace/reserved.ts'), 'utf8');
    const lists = [
      ...source.matchAll(/const (?:ALWAYS_RESERVED|RESERVED_LATER)[^[=]*(?:\[\])? = \[([^\]]+)\]/g),
    ];
    const declared = lists.flatMap(([, list = '']) => list.match(/[a-z-]+/g) ?? []);
    expect(listed).to.have.members(declared);
  });

  it('lists every problem under its status', () => {
    const section = /### Problems\n([^]+?)\nLimits of a connection/.exec(contract)?.[1] ?? '';
    const items = section.split(/^- (?=\d{3}\b)/m).slice(1);
    const listed = items.flatMap((item) =>
      [...item.matchAll(/`([a-z0-9-]+)`/g)].map(([, kind]) => `${item.slice(0, 3)} ${kind}`),
    );
    const kinds = Object.entries(PROBLEMS).map(([kind, { status }]) => `${status} ${kind}`);
    expect(kinds).to.have.length.above(20);
    expect(listed).to.include.members(kinds);
  });

  it('names every metric of mapper and producer', () => {
    const declaration = /\.(?:counter|gauge|histogram|tally|distribution)\(\s*'([a-z_]+)'/g;
    const declared = readSources('{mapper,producer}/**/*.ts').flatMap((source) =>
      [...source.matchAll(declaration)].map(([, name = '']) => name),
    );
    expect(declared).to.have.length.above(25);
    expect(declared.filter((name) => !new RegExp(`\`${name}[{\`]`).test(contract))).to.deep.equal([]);
  });

  it('names every znode path that exists, and the Redis keys that outsiders may read', () => {
    const { heartbeat: _neverExists, ...paths } = PATHS;
    for (const name of [
      ...Object.values(paths),
      POOL_KEY,
      KEYSPACE_KEY,
      INCARNATION_KEY,
      COUNTER_KEY,
      INVALIDATION_CHANNEL,
      QUESTION_CHANNEL,
      acknowledgementChannel('<process>'),
    ])
      expect(contract).to.include(`\`${name}`);
  });

  it('names every table', () => {
    const tables = readSources('db/schema/*.sql').flatMap((sql) =>
      [...sql.matchAll(/CREATE TABLE `(\w+)`/g)].map(([, name = '']) => name),
    );
    expect(tables).to.have.length.above(10);
    expect(tables.filter((name) => !contract.includes(`\`${name}\``))).to.deep.equal([]);
  });
});
