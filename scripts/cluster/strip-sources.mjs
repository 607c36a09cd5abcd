/*
 * Makes the copies without types of all modules that a mapper may load, now or when somebody asks for them:
 *
 *     node strip-sources.mjs <URL of plain-modules.mjs with its folder> <repository>
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [hook, repository] = process.argv.slice(2);
const { withoutTypes } = await import(hook);
for (const path of globSync('{coordinator,db,mapper,runtime}/**/*.ts', { cwd: repository }))
  withoutTypes(readFileSync(join(repository, path)));
