/** The characters that Node refuses in a header. */
const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Whether a target can be sent as a `Location`. One that was written into the table by hand may be blank, or
 * contain characters that no header may.
 */
export function isUsable(target: string): boolean {
  // Nearly every target shows in its first character that it is not blank.
  const first = target.charCodeAt(0);
  const isBlank = !(first > 0x20 && first < 0x7f) && target.trim() === '';
  return !isBlank && !UNSAFE.test(target);
}
