import { hash } from 'node:crypto';

/**
 * 64 bits that stand for a visitor on one day: of SHA-256 over the salt of the day, his address and his
 * browser. They only go into a sketch, which keeps some 16 of them. Without the salt, which is deleted after
 * two days, nobody can find out for whom they stand.
 *
 * No HMAC, which takes five times as long: it protects against messages that are made longer, and nobody sees
 * this hash.
 * @param salt of a fixed length
 */
export function visitorOf(
  salt: string,
  address: string,
  userAgent: string,
): { readonly high: number; readonly low: number } {
  const bytes = hash('sha256', `${salt}${address}\n${userAgent}`, 'latin1');
  return { high: numberAt(bytes, 0), low: numberAt(bytes, 4) };
}

/** @returns 32 bits */
function numberAt(bytes: string, at: number): number {
  return (
    (bytes.charCodeAt(at) << 24) |
    (bytes.charCodeAt(at + 1) << 16) |
    (bytes.charCodeAt(at + 2) << 8) |
    bytes.charCodeAt(at + 3)
  );
}
