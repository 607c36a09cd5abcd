import { groupDigits } from '../../runtime/grouped-digits.ts';

/** How often a link was followed. */
export interface Clicks {
  readonly humans: number;
  readonly bots: number;
}

/** A number for people: `1,234`. */
export function clicks(count: number): string {
  return groupDigits(count);
}
