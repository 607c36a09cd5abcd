// Exit 0 when node_modules holds exactly what package-lock.json names for this machine; run by bootstrap.sh with any Node.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.argv[2] ?? '.';
const packagesOf = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
const wanted = Object.entries(packagesOf('package-lock.json')).filter(([path]) => path !== '');
const installed = packagesOf('node_modules/.package-lock.json');
const differs = wanted.filter(([path, { version, optional }]) => {
  const found = installed[path];
  // Optional ones for other machines are not installed.
  return found === undefined ? optional !== true : found.version !== version;
});
process.exitCode = differs.length === 0 ? 0 : 1;
