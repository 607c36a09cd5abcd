import { domainToASCII } from 'node:url';

type ParsedEmail =
  { readonly ok: true; readonly email: string } | { readonly ok: false; readonly reason: string };

const MAX_LENGTH = 254;
const LOCAL = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}$/;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The form in which addresses are compared and stored: small letters, and the domain in ASCII. Accepts what a
 * browser accepts in an email field (WHATWG HTML), with at least one dot in the domain.
 */
export function parseEmail(given: string): ParsedEmail {
  const text = given.trim();
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0)).toLowerCase();
  const domain = domainToASCII(text.slice(at + 1)).toLowerCase();
  if (at <= 0) return { ok: false, reason: 'must be an email address, such as ana@example.com' };
  if (!LOCAL.test(local))
    return { ok: false, reason: 'must have 1 to 64 ASCII letters, digits and signs before the @' };
  if (!DOMAIN.test(domain)) return { ok: false, reason: 'must have a domain name after the @' };
  const email = `${local}@${domain}`;
  return email.length <= MAX_LENGTH
    ? { ok: true, email }
    : { ok: false, reason: `must not exceed ${MAX_LENGTH} characters` };
}
