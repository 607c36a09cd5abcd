/** Compares names for a person: keys-db-2 stands before keys-db-10. */
export function naturally(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
