import { hash, subtle } from 'node:crypto';

/** To hand bytes to another thread costs as much as to hash so many. */
const SHORT_BYTES = 128 * 1024;

/**
 * SHA-256, 64 hex digits. A megabyte takes 0.6 ms, in which redirects would wait: it is copied, and another
 * thread hashes it.
 */
export async function sha256Of(bytes: Buffer<ArrayBuffer>): Promise<string> {
  if (bytes.length <= SHORT_BYTES) return hash('sha256', bytes, 'hex');
  return Buffer.from(await subtle.digest('SHA-256', bytes)).toString('hex');
}
