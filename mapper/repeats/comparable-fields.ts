import { createHmac } from 'node:crypto';
import type { Fields } from '../reservations/reservation-hash.ts';
import type { ParsedRequest } from '../shorten/shorten-request.ts';

/**
 * The fields of a request as they are compared with those of others. A password stands there as what only
 * this cluster can compute of it: the stored hash of a request must not help anybody to guess passwords.
 * Pure.
 * @param secret shared by all mappers of a cluster
 */
export function comparableFields(fields: Fields, secret: string): Fields {
  const { password } = fields;
  if (typeof password !== 'string') return fields;
  return { ...fields, password: hide(password, secret) };
}

/**
 * What an owner asks for, however he writes it: the order of tags, a default and the offset of a time do not
 * count, as they do not when his links are looked at (`findAlike`). Otherwise two requests at the same time,
 * neither of which finds a link, would make two. The password as in {@link comparableFields}. Pure.
 */
export function fieldsOfOwner(
  { longUrl, alias, expiresAt, own, password }: ParsedRequest,
  secret: string,
): Fields {
  return {
    long_url: longUrl,
    custom_alias: alias ?? null,
    expiration_date: expiresAt?.toISOString() ?? null,
    title: own?.title ?? null,
    tags: (own?.tags ?? []).toSorted(),
    rules: own?.rules ?? {},
    password: password === undefined ? null : hide(password, secret),
  };
}

function hide(password: string, secret: string): string {
  const hmac = createHmac('sha256', secret).update('password of a repeated request\0').update(password);
  return hmac.digest('hex');
}

/** Without the fields that are null, because that means the same as to leave them out. Pure. */
export function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
