import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/**
 * Who may ask an admin port for what. Pure.
 *
 * Two dangers. A web page makes the browser of an operator send requests to every address that the browser
 * reaches, loopback included: Host, Origin, Sec-Fetch-Site and the content type show such a request. And
 * another program reaches the port: only the token stops it.
 */

/** What the admin port of one process accepts. */
export interface AdminAccess {
  /** Lower-case names under which the port may be asked, besides IP addresses and localhost. */
  readonly names: ReadonlySet<string>;
  /** {@link digestOf} the token. Without a token, only open paths are answered. */
  readonly tokenDigest: Buffer | undefined;
}

/** What a path of the admin port offers. */
export interface AdminPath {
  /** Answered without a token: probes and Prometheus have none. */
  readonly isOpen: boolean;
  /** GET only reads, and HEAD is answered like it. POST changes something. */
  readonly methods: readonly ('GET' | 'POST')[];
  /** Its POST is the form of a page of ours. Default: it is JSON. */
  readonly isForm?: boolean;
}

export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415;
  /** For a person: what is wrong, and what would be right. */
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Judges a request before its body is read.
 * @param path undefined if the port has no such path
 * @returns why the request is refused; undefined if it is allowed
 */
export function refusalOf(
  method: string,
  headers: IncomingHttpHeaders,
  path: AdminPath | undefined,
  access: AdminAccess,
): Refusal | undefined {
  return (
    foreignPage(headers, access) ??
    (path?.isOpen ? undefined : missingToken(headers.authorization, access)) ??
    wrongUse(method, headers, path)
  );
}

/** SHA-256, because two digests can be compared in constant time whatever the lengths of the tokens. */
export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function foreignPage(headers: IncomingHttpHeaders, { names }: AdminAccess): Refusal | undefined {
  const { host, origin } = headers;
  // A name that an attacker owns can resolve to our address. Browsers always send Host; some probes do not.
  if (host !== undefined && !isOwnName(nameIn(host), names))
    return {
      status: 403,
      reason: `Host ${host}: expected an IP address, localhost, or a name that KEYMILL_ADMIN_NAMES lists`,
    };
  if (origin !== undefined && origin.toLowerCase() !== `http://${host ?? ''}`.toLowerCase())
    return { status: 403, reason: `Origin ${origin}: pages of other origins may not use the admin port` };
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return { status: 403, reason: `Sec-Fetch-Site ${site}: other sites may not use the admin port` };
  return undefined;
}

/** The host in a Host header, in lower case, without port. */
function nameIn(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '');
}

function isOwnName(name: string, names: ReadonlySet<string>): boolean {
  const address = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
  return name === 'localhost' || isIP(address) !== 0 || names.has(name);
}

function missingToken(authorization: string | undefined, { tokenDigest }: AdminAccess): Refusal | undefined {
  if (tokenDigest === undefined)
    return {
      status: 403,
      reason: 'KEYMILL_ADMIN_TOKEN is not set in this process: it answers only /livez, /readyz and /metrics',
    };
  const given = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  if (given !== undefined && timingSafeEqual(digestOf(given), tokenDigest)) return undefined;
  return {
    status: 401,
    reason:
      given === undefined
        ? 'no token: expected the header "Authorization: Bearer TOKEN" with the KEYMILL_ADMIN_TOKEN of this process'
        : 'wrong token: expected the KEYMILL_ADMIN_TOKEN of this process',
    headers: { 'www-authenticate': 'Bearer' },
  };
}

function wrongUse(
  method: string,
  headers: IncomingHttpHeaders,
  path: AdminPath | undefined,
): Refusal | undefined {
  if (path === undefined) return { status: 404, reason: 'no such path here' };
  const allowed = path.methods.flatMap((known) => (known === 'GET' ? ['GET', 'HEAD'] : [known]));
  if (!allowed.includes(method)) {
    const allow = allowed.join(', ');
    return { status: 405, reason: `method ${method}: expected ${allow}`, headers: { allow } };
  }
  if (method !== 'POST') return undefined;
  const type = headers['content-type'];
  if (path.isForm === true) return wrongForm(type, headers.origin);
  if (isJson(type)) return undefined;
  return { status: 415, reason: `content type ${type ?? '(none)'}: expected application/json` };
}

/** Pages of any origin can send a form. Browsers say which one does, and {@link foreignPage} compares it. */
function wrongForm(type: string | undefined, origin: string | undefined): Refusal | undefined {
  if (type?.split(';', 1)[0]?.trim().toLowerCase() !== 'application/x-www-form-urlencoded')
    return {
      status: 415,
      reason: `content type ${type ?? '(none)'}: expected application/x-www-form-urlencoded`,
    };
  if (origin === undefined)
    return { status: 403, reason: 'no Origin: expected the form of the page of this admin port' };
  return undefined;
}

const UTF_8 = /^charset="?utf-?8"?$/;

/** A page of another origin can send application/json only after a preflight, which we refuse. */
function isJson(type: string | undefined): boolean {
  const [name, ...parameters] = (type ?? '').split(';').map((part) => part.trim().toLowerCase());
  const isOther = (parameter: string): boolean => !parameter.startsWith('charset=');
  return (
    name === 'application/json' &&
    parameters.every((parameter) => isOther(parameter) || UTF_8.test(parameter))
  );
}
