/** How often a link was followed. */
export interface Clicks {
  readonly humans: number;
  readonly bots: number;
}

const NUMBERS = new Intl.NumberFormat('en');

/** A number for people: `1,234`. */
export function clicks(count: number): string {
  return NUMBERS.format(count);
}
