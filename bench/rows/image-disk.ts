import type { Bench } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';
import { measureServing } from './image-serving.ts';

/** Six times as many as the memory of a mapper holds. The system has their files in memory. */
const PICTURES = 200;

/** Pictures of which each is as popular as the others. */
export const imageDisk: Bench = {
  name: 'image-disk',
  does: `GET of ${PICTURES} pictures of 1 MB in turn, more than memory holds, over ${CONNECTIONS} connections, beside bare node:http that pipes the files`,
  long: false,
  run: async (context) =>
    measureServing(context, { name: 'image-disk', pictures: PICTURES, goal: 0.9, source: 'store' }),
};
