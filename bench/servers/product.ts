import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { bareEnvironment } from './environment.ts';

/**
 * The source tree whose programs are under test. Load and measuring are always ours: of another commit we run
 * only the programs below, as processes of their own, and import none of its modules.
 */
export interface Product {
  /** A short commit, or `work tree`. */
  readonly name: string;
  readonly root: string;
  /** The Node of its lock file. */
  readonly node: string;
}

export const WORK_TREE: Product = { name: 'work tree', root: REPOSITORY, node: process.execPath };

/** Every commit has these under the same path. */
const PROGRAMS = {
  mapper: 'mapper/main.ts',
  producer: 'producer/main.ts',
  keymill: 'scripts/keymill.ts',
  up: 'scripts/up',
  down: 'scripts/down',
} as const;

export function programOf({ root }: Product, program: keyof typeof PROGRAMS): string {
  return join(root, PROGRAMS[program]);
}

/**
 * Runs `keymill ARGS` of the product until it ends.
 * @throws KeymillError with its complaint when its exit code is not 0
 */
export async function runKeymill(
  product: Product,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const env = { ...bareEnvironment(), ...variables };
  try {
    await promisify(execFile)(product.node, [programOf(product, 'keymill'), ...args], { env, signal });
  } catch (error) {
    signal.throwIfAborted();
    const what = `keymill ${args.join(' ')} of ${product.name}`;
    throw new KeymillError('BENCH_FAILED', `${what}: ${messageOf(error)}`, { cause: error });
  }
}
