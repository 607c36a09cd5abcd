// Exit code 0 when node_modules has the versions of package-lock.json. bootstrap.sh runs this with any Node.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.argv[2] ?? '.';
const packagesOf = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
const locked = Object.entries(packagesOf('package-lock.json')).filter(([path]) => path !== '');
const installed = packagesOf('node_modules/.package-lock.json');
const differing = locked.filter(([path, { version, optional }]) => {
  const found = installed[path];
  // Optional packages for other machines are not installed.
  return found === undefined ? optional !== true : found.version !== version;
});
process.exitCode = differing.length === 0 ? 0 : 1;
