import { join } from 'node:path';

/** A program that starts a mapper whose decoder takes every picture for whole. */
export const WITHOUT_DECODER = join(import.meta.dirname, 'mapper-without-decoder-main.ts');
