import type { Bench } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';
import { measureServing } from './image-serving.ts';

/** One picture that everybody wants. */
export const imageMemory: Bench = {
  name: 'image-memory',
  does: `GET of one picture of 1 MB in memory over ${CONNECTIONS} connections, beside bare node:http that pipes its file`,
  long: false,
  run: async (context) =>
    measureServing(context, { name: 'image-memory', pictures: 1, goal: 2, source: 'memory' }),
};
