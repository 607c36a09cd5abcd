import { parseJsonObject } from '../http/read-json.ts';
import { asksToFind } from './repeatable.ts';
import {
  ownedBy,
  type ParseShortenRequest,
  type ReadOwnRequest,
  type ReadShortenRequest,
} from './shorten-request.ts';
import { parseTargetUrl, type TargetRules } from './target-url.ts';

/**
 * Reads bodies of `POST /urls`. A usual body (ASCII, an accepted `long_url`, at most nulls in the other
 * fields) is read by hand. All others go through the general parser, which is the only one that refuses.
 */
export function createBodyReader(parse: ParseShortenRequest, rules: TargetRules): ReadShortenRequest {
  return (body) => {
    const longUrl = findUsualTarget(body, rules);
    if (longUrl !== undefined) return { longUrl, alias: undefined, expiresAt: null };
    const fields = parseJsonObject(Buffer.from(body, 'latin1'));
    if (asksToFind(fields)) return { fields, userId: undefined, idempotencyKey: undefined };
    return parse(fields, null);
  };
}

/** Like {@link createBodyReader}, for the bodies of somebody who is known. */
export function createOwnBodyReader(parse: ParseShortenRequest, rules: TargetRules): ReadOwnRequest {
  return (body, userId) => {
    const longUrl = findUsualTarget(body, rules);
    if (longUrl !== undefined) return { longUrl, alias: undefined, expiresAt: null, own: ownedBy(userId) };
    const fields = parseJsonObject(Buffer.from(body, 'latin1'));
    return asksToFind(fields) ? { fields, userId, idempotencyKey: undefined } : parse(fields, userId);
  };
}

/** The target of a usual body that is accepted. */
function findUsualTarget(body: string, rules: TargetRules): string | undefined {
  const input = ONLY_URL.exec(body)?.[1] ?? findOnlyUrl(body);
  if (input === undefined) return undefined;
  const target = parseTargetUrl(input, rules);
  return target.ok ? target.href : undefined;
}

/** The form that most clients send: no spaces, and only printable ASCII that JSON does not escape. */
const ONLY_URL = /^\{"long_url":"([ !#-[\]-~]*)"\}$/;
/** Of other characters, a byte is only a part. */
const ASCII = /^[\0-\x7f]*$/;

/**
 * The `long_url` of a JSON object that has it once, as a string, and whose other fields are known and null.
 */
function findOnlyUrl(text: string): string | undefined {
  if (!ASCII.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  let names = 0;
  for (const name in fields) {
    names += 1;
    const isEmpty = fields[name] === null && (name === 'custom_alias' || name === 'expiration_date');
    if (name !== 'long_url' && !isEmpty) return undefined;
  }
  const url = fields['long_url'];
  // Each name and the one text have two quotes. More quotes mean an escape, or a field given twice.
  return typeof url === 'string' && hasQuotes(text, 2 * names + 2) ? url : undefined;
}

function hasQuotes(text: string, count: number): boolean {
  let found = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) found += 1;
  return found === count;
}
