/*
 * Node's own HTTP, without `import … from 'node:http'`: an import of it by a module reads every export, and
 * among these are WebSocket and its events, for which Node then loads its whole HTTP client. That takes 9 MB
 * in every process, and nobody here uses it. Types may be imported from 'node:http'.
 */
export const { createServer, ServerResponse } = process.getBuiltinModule('node:http');
