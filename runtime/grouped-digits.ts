/**
 * A number for people, as English groups its digits: `1234567` → `1,234,567`. Intl and toLocaleString say
 * the same, but at their first use they look through the data of all languages: 7 MB of memory. Pure.
 * @param value a whole number
 */
export function groupDigits(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ',');
}
