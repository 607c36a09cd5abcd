/*
 * Lets Node read our modules from a folder of copies without types: node --import this file, followed by
 * ?folder=PATH. Node's own cache of compiled code does so too, but keeps in memory what it has read from it:
 * 10 MB in a mapper. A module that has no copy yet is stripped here, and the copy is written.
 */
const { createHash } = process.getBuiltinModule('node:crypto');
const { readFileSync, renameSync, writeFileSync } = process.getBuiltinModule('node:fs');
const { registerHooks, stripTypeScriptTypes } = process.getBuiltinModule('node:module');
const { fileURLToPath } = process.getBuiltinModule('node:url');

const folder = new URL(import.meta.url).searchParams.get('folder');

/** A copy ends with this and the digest of what is before it. */
const END = '\n// whole: ';
const END_LENGTH = END.length + 64;

function digestOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** @param source of a module, as it is read from its file */
export function withoutTypes(source) {
  const path = `${folder}/${digestOf(process.version, source)}.js`;
  const copy = findWhole(path);
  if (copy !== undefined) return copy;
  const code = stripTypeScriptTypes(source.toString());
  keep(path, code);
  return code;
}

/**
 * The copy; undefined when there is none, or not all of it: after a loss of power a file that was new may be
 * empty, or of zeros.
 */
function findWhole(path) {
  try {
    const copy = readFileSync(path);
    const code = copy.subarray(0, -END_LENGTH);
    return copy.subarray(code.length).toString('latin1') === END + digestOf(code) ? copy : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Atomically, because several processes may do it at once. Without the copy everything works, too, so it is
 * not worth an fsync for each of hundreds of modules.
 */
function keep(path, code) {
  try {
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, `${code}${END}${digestOf(code)}`, { mode: 0o600 });
    renameSync(fresh, path);
  } catch {
    // The disk may be full, or the folder gone.
  }
}

/** Messages of zod in fifty languages, of which it loads all and we use English: 2 MB. */
const UNUSED = /\/node_modules\/zod\/v4\/locales\/index\.js$/;

registerHooks({
  load(url, context, nextLoad) {
    if (UNUSED.test(url)) return { format: 'module', shortCircuit: true, source: '' };
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
    const source = withoutTypes(readFileSync(fileURLToPath(url)));
    return { format: 'module', shortCircuit: true, source };
  },
});
