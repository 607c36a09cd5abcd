import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Lets anybody who has it delete an image. */
export interface DeleteToken {
  /** Shown once. */
  readonly text: string;
  /** As it is stored: 64 hex digits. */
  readonly hash: string;
}

const TOKEN_BYTES = 32;

export function createDeleteToken(): DeleteToken {
  const text = randomBytes(TOKEN_BYTES).toString('base64url');
  return { text, hash: hashOf(text) };
}

/** Whether a text is the token of an image. It takes the same time for each wrong one. */
export function isDeleteToken(text: string, stored: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(text), 'hex'), Buffer.from(stored, 'hex'));
}

function hashOf(text: string): string {
  return hash('sha256', text, 'hex');
}
