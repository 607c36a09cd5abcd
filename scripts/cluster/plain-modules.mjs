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

function withoutTypes(source) {
  const name = createHash('sha256').update(process.version).update(source).digest('hex');
  const path = `${folder}/${name}.js`;
  try {
    return readFileSync(path);
  } catch {
    const code = stripTypeScriptTypes(source.toString());
    keep(path, code);
    return code;
  }
}

/** Atomically, because several processes may do it at once. Without the copy everything works, too. */
function keep(path, code) {
  try {
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, code, { mode: 0o600 });
    renameSync(fresh, path);
  } catch {
    // The disk may be full, or the folder gone.
  }
}

registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
    const source = withoutTypes(readFileSync(fileURLToPath(url)));
    return { format: 'module', shortCircuit: true, source };
  },
});
