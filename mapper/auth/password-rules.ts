const MIN_CHARACTERS = 10;
const MAX_BYTES = 1_024;

/** Why nobody may choose this password; undefined when it may be chosen, if it is not a common one. */
export function whyPasswordRefused(password: string): string | undefined {
  if (Array.from(password).length < MIN_CHARACTERS) return `must have at least ${MIN_CHARACTERS} characters`;
  return whyNoPassword(password);
}

/** Why this can be nobody's password; undefined when it can. */
export function whyNoPassword(password: string): string | undefined {
  if (!password.isWellFormed()) return 'must be well-formed Unicode';
  return Buffer.byteLength(password) > MAX_BYTES ? `must not exceed ${MAX_BYTES} bytes` : undefined;
}

export const COMMON_PASSWORD = 'is one of the passwords that are tried first; choose another';

/** Keyboards differ in how they compose an accented letter, so a password is compared in one form. */
export function normalisePassword(password: string): string {
  return password.normalize('NFKC');
}

/**
 * The hash of no known password. An account has it until its owner has chosen one; and it is compared with
 * when there is no such user, so that the answer takes the same time.
 */
export const NO_PASSWORD =
  '$argon2id$v=19$m=19456,t=2,p=1$3WzOBXlBqfW4GkDzBtrnJg$m7Yb2Lr0pXGyMyq5Zg7k5v0cXkJ3l0dO2fQbF1yT9aE';
