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

const EVERY_MS = 2_000;
const TIMEOUT_MS = 120_000;

/**
 * Audits with repair until every issued key is accounted for and none is leaked. Keys that a crash stranded
 * are recycled after the quarantine. Returns the last audit, or undefined if every attempt failed.
 */
export async function auditUntilClean(runDir: RunDir, timeoutMs: number): Promise<Audit | undefined> {
  const deadline = performance.now() + timeoutMs;
  let last: Audit | undefined;
  for (;;) {
    // An audit fails when a store is slow to answer. That proves nothing, so we try again.
    const audit = await findAudit(runDir, ['--repair']);
    last = audit ?? last;
    const isClean = audit !== undefined && audit.balanced && audit.leaked === 0 && audit.unknown === 0;
    if (isClean || performance.now() > deadline) return last;
    await delay(EVERY_MS);
  }
}

/** One audit. @throws Error when the audit fails */
export async function getAudit(runDir: RunDir): Promise<Audit> {
  const audit = await findAudit(runDir);
  if (audit === undefined) throw new Error('the audit failed');
  return audit;
}

/** One audit. Undefined when it fails. */
async function findAudit(runDir: RunDir, options: readonly string[] = []): Promise<Audit | undefined> {
  // Exit code 1 means that the audit does not balance. Its document is complete all the same.
  const { stdout } = await runKeymill(runDir, ['audit', ...options, '--json'], { timeoutMs: TIMEOUT_MS });
  return Audit.safeParse(parseJson(stdout)).data;
}
