import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { REPOSITORY, type RunDir } from '../../scripts/cluster/run-dir.ts';

const Audit = z.object({
  issued: z.number(),
  leaked: z.number(),
  unknown: z.number(),
  duplicates: z.number(),
  balanced: z.boolean(),
});
export type Audit = z.infer<typeof Audit>;

const EVERY_MS = 2_000;
const TIMEOUT_MS = 120_000;

/**
 * Audits, and asks for repair, until every issued key is accounted for and none is leaked: what a crash stranded is recycled after
 * the quarantine. Returns the last audit; undefined when there is none to be had.
 */
export async function auditUntilClean(runDir: RunDir, timeoutMs: number): Promise<Audit | undefined> {
  const deadline = performance.now() + timeoutMs;
  let last: Audit | undefined;
  for (;;) {
    // One that could not be had, for some store was slow to answer, says nothing: it is asked for again.
    const audit = await runAudit(runDir, ['--repair']);
    last = audit ?? last;
    const isClean = audit !== undefined && audit.balanced && audit.leaked === 0 && audit.unknown === 0;
    if (isClean || performance.now() > deadline) return last;
    await delay(EVERY_MS);
  }
}

/** What the audit says now; undefined when there is none to be had. */
export async function runAudit(runDir: RunDir, options: readonly string[] = []): Promise<Audit | undefined> {
  const { promise, resolve } = Promise.withResolvers<Audit | undefined>();
  execFile(
    join(REPOSITORY, 'scripts', 'keymill'),
    ['audit', ...options, '--json'],
    {
      env: { ...process.env, KEYMILL_RUN_DIR: runDir.path },
      timeout: TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
    },
    // Exit code 1 is an audit that does not balance: its document is there all the same.
    (_error, stdout) => resolve(parseAudit(stdout)),
  );
  return promise;
}

function parseAudit(text: string): Audit | undefined {
  return Audit.safeParse(parseJson(text)).data;
}
