import { LinkReader, type ReadOptions } from '../../../mapper/import/link-reader.ts';
import type { Outcome, Summary } from '../../../mapper/import/outcome.ts';
import { parseTargetUrl } from '../../../mapper/shorten/target-url.ts';

/** Options of tests: all targets that a mapper for https://s.example takes, at the end of November 2026. */
export const OPTIONS: ReadOptions = {
  from: 'auto',
  nowMs: Date.UTC(2026, 10, 28),
  judgeTarget: (url) =>
    parseTargetUrl(url, {
      own: [{ host: 's.example', port: undefined }],
      allowPrivateTargets: false,
      maxBytes: 2_048,
    }),
};

export interface Reading {
  readonly outcomes: readonly Outcome[];
  readonly summary: Summary;
}

/** Reads a whole file. Texts are UTF-8. */
export async function readAll(
  chunks: string | Iterable<Uint8Array>,
  options: Partial<ReadOptions> = {},
): Promise<Reading> {
  const reader = new LinkReader({ ...OPTIONS, ...options });
  const outcomes: Outcome[] = [];
  for await (const some of reader.read(typeof chunks === 'string' ? [Buffer.from(chunks)] : chunks))
    outcomes.push(...some);
  return { outcomes, summary: reader.summary };
}

/** A short form of each outcome: the code of a link, or `reason@line`. */
export function brief({ outcomes }: Reading): string[] {
  return outcomes.map((outcome) =>
    'link' in outcome ? (outcome.link.code ?? '(ours)') : `${outcome.reason}@${outcome.line}`,
  );
}
