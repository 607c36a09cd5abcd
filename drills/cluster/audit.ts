import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import type { RunDir } from '../../scripts/cluster/run-dir.ts';
import { runKeymill } from './keymill.ts';

const Audit = z.object({
  issued: z.number(),
  leaked: z.number(),
  written_off: z.number(),
  unknown: z.number(),
  duplicates: z.number(),
  balanced: z.boolean(),
});
export type Audit = z.infer<typeof Audit>;

export interface FailedAudit {
  readonly why: string;
}

const EVERY_MS = 2_000;
const TIMEOUT_MS = 120_000;

/**
 * Audits with repair until every issued key is accounted for and none is leaked. Keys that a crash stranded
 * are recycled after the quarantine. Returns the last audit, or why the last one failed if every one did.
 */
export async function auditUntilClean(runDir: RunDir, timeoutMs: number): Promise<Audit | FailedAudit> {
  const deadline = performance.now() + timeoutMs;
  let last: Audit | undefined;
  for (let count = 1; ; count++) {
    // An audit fails when a store is slow to answer. That proves nothing, so we try again.
    const found = await findAudit(runDir, ['--repair']);
    const audit = 'why' in found ? undefined : found;
    last = audit ?? last;
    const isClean = audit !== undefined && audit.balanced && audit.leaked === 0 && audit.unknown === 0;
    if (isClean || performance.now() > deadline)
      return last ?? { why: `${count} of them; the last: ${'why' in found ? found.why : ''}` };
    await delay(EVERY_MS);
  }
}

/** One audit. @throws Error when the audit fails */
export async function getAudit(runDir: RunDir): Promise<Audit> {
  const found = await findAudit(runDir);
  if ('why' in found) throw new Error(`the audit failed: ${found.why}`);
  return found;
}

async function findAudit(runDir: RunDir, options: readonly string[] = []): Promise<Audit | FailedAudit> {
  const startedMs = performance.now();
  // Exit code 1 means that the audit does not balance. Its document is complete all the same.
  const { stdout, error } = await runKeymill(runDir, ['audit', ...options, '--json'], {
    timeoutMs: TIMEOUT_MS,
  });
  const { data } = Audit.safeParse(parseJson(stdout));
  if (data !== undefined) return data;
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  // The message ends with what the command wrote to stderr.
  return { why: `after ${seconds} s, ${error?.message.trim() ?? `it printed ${stdout.slice(0, 200)}`}` };
}
