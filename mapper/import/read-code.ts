import {
  canonicalCode,
  findCodeFault,
  MAX_CODE_BYTES,
  type CodeFault,
} from '../../db/keyspace/foreign-code.ts';
import type { FindValue, Format } from './formats/format.ts';
import { faultOf, quote, type Fault, type Reason } from './reasons.ts';

/** The code of a link, before anything is judged. */
export interface GivenCode {
  /** '': none. */
  readonly code: string;
  /** undefined: the file names none. */
  readonly domain: string | undefined;
  /** The short URL has no path: the link answers `/`. */
  readonly isRoot: boolean;
}

export interface CodeRules {
  /** Takes the links of this domain only. */
  readonly domain?: string | undefined;
  /** A link whose code cannot be kept gets a key of ours. */
  readonly isRenaming?: boolean | undefined;
}

export type ReadCode =
  { readonly code: string | null; readonly former: string | null } | { readonly fault: Fault };

const SHORT_URL = /^https?:\/\/([^/?#]*)\/?([^?#]*)/i;

const WORDS: Readonly<Record<CodeFault, readonly [Reason, string]>> = {
  empty: ['bad-code', 'is empty'],
  'too-long': ['long-code', `has more than ${MAX_CODE_BYTES} bytes, percent-encoded`],
  control: ['bad-code', 'contains a control character'],
  segments: ['bad-code', 'begins or ends with "/", or has a segment that is empty, "." or ".."'],
  reserved: ['reserved-code', 'begins with a word that the service uses itself'],
  preview: ['forgiven-code', 'ends in "+", which asks for the preview of a link'],
  forgiven: ['forgiven-code', 'ends in a character that is taken for the text around a link'],
  'not-text': ['bad-code', 'is no well-formed text'],
};

/** The codes of a record. Most records have one. */
export function codesOf(
  format: Format,
  find: FindValue,
  take: (field: 'code' | 'short_url' | 'domain') => unknown,
) {
  const shortUrl = asText(take('short_url'));
  const host = shortUrl === undefined ? undefined : parseCode(shortUrl, undefined).domain;
  const domain = asText(take('domain')) ?? host;
  const code = take('code');
  const texts = format.readCodes?.(find) ?? [asText(code) ?? shortUrl ?? ''];
  return (texts.length === 0 ? [''] : texts).map((text) => parseCode(text, domain));
}

function parseCode(text: string, domain: string | undefined): GivenCode {
  const found = SHORT_URL.exec(text);
  if (found === null) return { code: text, domain, isRoot: false };
  const [, host = '', path = ''] = found;
  return { code: path, domain: host, isRoot: path === '' };
}

/** Judges a code and brings it into its canonical form. */
export function judgeCode({ code, domain, isRoot }: GivenCode, rules: CodeRules): ReadCode {
  if (rules.domain !== undefined && domain?.toLowerCase() !== rules.domain.toLowerCase()) {
    const of = domain === undefined ? 'names no domain' : `is of ${quote(domain)}`;
    return { fault: faultOf('other-domain', 'domain', `the link ${of}; --domain asks for ${rules.domain}`) };
  }
  if (code === '' && !isRoot) return { code: null, former: null };
  const wrong = isRoot ? undefined : findCodeFault(code);
  if (!isRoot && wrong === undefined) return { code: canonicalCode(code), former: null };
  if (rules.isRenaming === true) return { code: null, former: isRoot ? '/' : code };
  if (wrong === undefined) {
    const message = `the link answers the root of ${domain ?? 'its domain'}, and has no code; see KEYMILL_ROOT_URL`;
    return { fault: faultOf('no-code', 'code', message) };
  }
  const [reason, what] = WORDS[wrong];
  return {
    fault: faultOf(reason, 'code', `the code ${quote(code)} ${what}; --rename gives the link a key of ours`),
  };
}

/** A value of another kind becomes a text that no code can be. */
function asText(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  return JSON.stringify(value);
}
