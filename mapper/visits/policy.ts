import type { VisitsRow } from '../../db/urls/visits.ts';

/**
 * What a visitor gets:
 *
 * - **given**: a visit was taken for him. He is redirected.
 * - **used-up**: none is left.
 * - **changed**: the link is no longer as he was judged by. None was taken; he is judged again.
 */
export type VisitResult = 'given' | 'used-up' | 'changed';

/** What is done after visits were asked for and not taken. */
export type NextStep =
  /** `mayBeLast`: no visit would be left. */
  | { readonly step: 'take'; readonly count: number; readonly mayBeLast: boolean }
  | { readonly step: 'end'; readonly result: 'used-up' | 'changed' };

/**
 * Decides what those who wait do after the store has refused to take a visit for each of them.
 * @param row as it was read after that; undefined: there is no such link any more
 * @param waiting at least 1
 */
export function nextStep(
  row: VisitsRow | undefined,
  { state, waiting }: { readonly state: string; readonly waiting: number },
): NextStep {
  if (row === undefined || row.isDeleted || row.state !== state) return { step: 'end', result: 'changed' };
  const left = row.visitsLeft ?? 0;
  if (left === 0) return { step: 'end', result: 'used-up' };
  return { step: 'take', count: Math.min(left, waiting), mayBeLast: left <= waiting };
}

/**
 * The results of those who wait, in the order in which they came, after `taken` visits were taken for them.
 * In one state of a link its visits only become fewer. So if fewer were taken than wait, these were the last.
 */
export function share(taken: number, waiting: number): VisitResult[] {
  return Array.from({ length: waiting }, (_, index) => (index < taken ? 'given' : 'used-up'));
}
