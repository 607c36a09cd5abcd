import { createHmac } from 'node:crypto';
import type { Fields } from '../reservations/reservation-hash.ts';

/**
 * The fields of a request as they are compared with those of others. A password stands there as what only
 * this cluster can compute of it: the stored hash of a request must not help anybody to guess passwords.
 * Pure.
 * @param secret shared by all mappers of a cluster
 */
export function comparableFields(fields: Fields, secret: string): Fields {
  const { password } = fields;
  if (typeof password !== 'string') return fields;
  const hidden = createHmac('sha256', secret).update('password of a repeated request\0').update(password);
  return { ...fields, password: hidden.digest('hex') };
}

/** Without the fields that are null, because that means the same as to leave them out. Pure. */
export function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
