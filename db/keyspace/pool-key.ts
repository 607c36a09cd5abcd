import { hasKeyShape } from './alias.ts';

/** Whether a text from a pool is a key. A link under any other text could never be followed. */
export function isPoolKey(text: string, keyLength: number): boolean {
  return text.length === keyLength && hasKeyShape(text);
}
