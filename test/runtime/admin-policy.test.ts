import { expect } from 'chai';
import { digestOf, refusalOf, type AdminAccess, type AdminPath } from '../../runtime/admin-policy.ts';

const TOKEN = 'the-token-of-this-table';
const CLOSED: AdminAccess = { names: new Set(['node-7.internal']), tokenDigest: digestOf(TOKEN) };
const WITHOUT_TOKEN: AdminAccess = { ...CLOSED, tokenDigest: undefined };

const OPEN: AdminPath = { isOpen: true, methods: ['GET'] };
const RESERVE: AdminPath = { isOpen: false, methods: ['GET'] };
const DRAIN: AdminPath = { isOpen: false, methods: ['POST'] };

type Headers = Readonly<Record<string, string>>;
const HOST: Headers = { host: '127.0.0.1:9201' };
const OPERATOR: Headers = { ...HOST, authorization: `Bearer ${TOKEN}` };
const JSON_TYPE = { 'content-type': 'application/json' };

/** What is asked, with which headers, the status of the refusal (0: allowed), and a part of its reason. */
type Case = [string, string, AdminPath | undefined, Headers, number, string?];

const CASES: Case[] = [
  // Host: a name of an attacker can resolve to our address.
  ['a probe by address', 'GET', OPEN, HOST, 0],
  ['a probe without Host', 'GET', OPEN, {}, 0],
  ['a probe by IPv6 address', 'GET', OPEN, { host: '[::1]:9201' }, 0],
  ['localhost', 'GET', OPEN, { host: 'LocalHost:9201' }, 0],
  ['a configured name', 'GET', OPEN, { host: 'Node-7.internal:9201' }, 0],
  ['another name', 'GET', OPEN, { host: 'evil.example:9201' }, 403, 'KEYMILL_ADMIN_NAMES'],
  ['a name that begins like an address', 'GET', OPEN, { host: '127.0.0.1.evil.example' }, 403, 'Host'],
  ['an address in an unusual notation', 'GET', OPEN, { host: '2130706433' }, 403, 'Host'],
  ['another name with the token', 'GET', RESERVE, { ...OPERATOR, host: 'evil.example' }, 403, 'Host'],
  // Origin and Sec-Fetch-Site: pages of other sites.
  ['a page of our own', 'GET', OPEN, { ...HOST, origin: 'http://127.0.0.1:9201' }, 0],
  ['a foreign Origin', 'GET', OPEN, { ...HOST, origin: 'https://evil.example' }, 403, 'Origin'],
  ['Origin null', 'GET', OPEN, { ...HOST, origin: 'null' }, 403, 'Origin'],
  ['another port of this host', 'GET', OPEN, { ...HOST, origin: 'http://127.0.0.1:8080' }, 403, 'Origin'],
  ['another scheme', 'GET', OPEN, { ...HOST, origin: 'https://127.0.0.1:9201' }, 403, 'Origin'],
  ['a typed address', 'GET', OPEN, { ...HOST, 'sec-fetch-site': 'none' }, 0],
  ['a request of our own page', 'GET', OPEN, { ...HOST, 'sec-fetch-site': 'same-origin' }, 0],
  [
    'a cross-site GET',
    'GET',
    RESERVE,
    { ...OPERATOR, 'sec-fetch-site': 'cross-site' },
    403,
    'Sec-Fetch-Site',
  ],
  ['a same-site GET', 'GET', RESERVE, { ...OPERATOR, 'sec-fetch-site': 'same-site' }, 403, 'Sec-Fetch-Site'],
  // The token.
  ['no token', 'GET', RESERVE, HOST, 401, 'Authorization: Bearer'],
  ['a wrong token', 'GET', RESERVE, { ...HOST, authorization: 'Bearer something-else' }, 401, 'wrong token'],
  ['another scheme of authorization', 'GET', RESERVE, { ...HOST, authorization: `Basic ${TOKEN}` }, 401],
  ['an empty token', 'GET', RESERVE, { ...HOST, authorization: 'Bearer ' }, 401],
  ['the token', 'GET', RESERVE, OPERATOR, 0],
  ['the token, in another case of Bearer', 'GET', RESERVE, { ...HOST, authorization: `bearer ${TOKEN}` }, 0],
  ['HEAD of a protected path', 'HEAD', RESERVE, HOST, 401],
  ['HEAD with the token', 'HEAD', RESERVE, OPERATOR, 0],
  ['HEAD of an open path', 'HEAD', OPEN, HOST, 0],
  ['OPTIONS of a protected path', 'OPTIONS', DRAIN, HOST, 401],
  ['an unknown path without token', 'GET', undefined, HOST, 401],
  // Use.
  ['an unknown path', 'GET', undefined, OPERATOR, 404],
  ['OPTIONS', 'OPTIONS', DRAIN, OPERATOR, 405, 'expected POST'],
  ['a GET that would change something', 'GET', DRAIN, OPERATOR, 405, 'expected POST'],
  ['a POST to an open path', 'POST', OPEN, HOST, 405, 'expected GET, HEAD'],
  ['JSON', 'POST', DRAIN, { ...OPERATOR, ...JSON_TYPE }, 0],
  ['JSON in UTF-8', 'POST', DRAIN, { ...OPERATOR, 'content-type': 'Application/JSON; charset=UTF-8' }, 0],
  [
    'JSON with a parameter',
    'POST',
    DRAIN,
    { ...OPERATOR, 'content-type': 'application/json ; boundary=x' },
    0,
  ],
  [
    'JSON in Latin-1',
    'POST',
    DRAIN,
    { ...OPERATOR, 'content-type': 'application/json; charset=latin1' },
    415,
  ],
  ['plain text', 'POST', DRAIN, { ...OPERATOR, 'content-type': 'text/plain' }, 415, 'application/json'],
  ['a form', 'POST', DRAIN, { ...OPERATOR, 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ['no type', 'POST', DRAIN, OPERATOR, 415, '(none)'],
  [
    'a type that only begins like JSON',
    'POST',
    DRAIN,
    { ...OPERATOR, 'content-type': 'application/jsonp' },
    415,
  ],
];

describe('who may ask an admin port', () => {
  for (const [what, method, path, headers, status, reason = ''] of CASES) {
    it(`${what}: ${status === 0 ? 'allowed' : status}`, () => {
      const refusal = refusalOf(method, headers, path, CLOSED);
      expect(refusal?.status ?? 0, refusal?.reason).to.equal(status);
      expect(refusal?.reason ?? '').to.include(reason);
    });
  }

  it('401 asks for a Bearer token, 405 lists the methods', () => {
    expect(refusalOf('GET', HOST, RESERVE, CLOSED)?.headers).to.deep.equal({ 'www-authenticate': 'Bearer' });
    expect(refusalOf('POST', HOST, OPEN, CLOSED)?.headers).to.deep.equal({ allow: 'GET, HEAD' });
  });

  it('without a configured token only open paths are answered, whatever token is sent', () => {
    expect(refusalOf('GET', HOST, OPEN, WITHOUT_TOKEN)).to.equal(undefined);
    for (const headers of [HOST, OPERATOR, { ...HOST, authorization: 'Bearer undefined' }]) {
      const refusal = refusalOf('GET', headers, RESERVE, WITHOUT_TOKEN);
      expect(refusal).to.include({ status: 403 });
      expect(refusal?.reason).to.include('KEYMILL_ADMIN_TOKEN is not set');
    }
  });
});
