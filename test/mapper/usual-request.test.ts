import { expect } from 'chai';
import { findForwardedRequest } from '../../mapper/http/forwarded-request.ts';
import { findUnlimitedRequest, findUsualRequest } from '../../mapper/http/usual-request.ts';

const BODY = '{"long_url":"https://example.com/"}';

function get(...headers: readonly string[]): string {
  return ['GET /abcd1234 HTTP/1.1', ...headers, '', ''].join('\r\n');
}

function post(...headers: readonly string[]): string {
  return `${['POST /urls HTTP/1.1', ...headers, '', ''].join('\r\n')}${BODY}`;
}

const HOST = 'Host: go.example:80';
const TYPE = 'Content-Type: application/json';
const KEY = 'Authorization: Bearer km_4fZk9QxTd0aXbZ7mC2nV8qLw5eR1tY6uI3oP9sGhJ4kAbCd';
const LENGTH = `Content-Length: ${BODY.length}`;

const USUAL: Readonly<Record<string, string>> = {
  'a GET with nothing but Host': get(HOST),
  'a HEAD': get(HOST).replace('GET', 'HEAD'),
  'a query': get(HOST).replace('1234 ', '1234?a=b&c=/%20?" '),
  'the longest key': get(HOST).replace('abcd1234', 'a'.repeat(64)),
  'a host without a port, in other letters': get('hOSt: GO.example'),
  'the headers of a browser': get(
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64)',
    'Accept: text/html,*/*;q=0.8',
    'Accept-Language: en-US,en;q=0.5',
    HOST,
    'Upgrade-Insecure-Requests: 1',
    'Sec-Fetch-Mode: navigate',
    'Referer: https://a.example/?a=b',
  ),
  'an Idempotency-Key that a GET does not need': get(HOST, 'Idempotency-Key: a'),
  'a content type that a GET does not need': get(HOST, 'Content-Type: text/html'),
  'a header that begins like another': get(HOST, 'Connection-Hint: 1', 'Hosts: 2', 'Ten: 3'),
  'a POST': post(HOST, TYPE, LENGTH),
  'a POST with its headers in another order': post(
    'Accept: */*',
    LENGTH,
    'A: b',
    TYPE,
    HOST,
    'User-Agent: x',
  ),
  'a POST with a key, before all others': post(KEY, HOST, TYPE, LENGTH),
  'a POST with a key, behind all others': post(
    LENGTH,
    TYPE,
    'Accept: */*',
    HOST,
    KEY.toLowerCase().replace('bearer', 'Bearer'),
  ),
  'a POST with a key and a long body': post(KEY, HOST, TYPE, 'Content-Length: 5000').replace(
    BODY,
    'a'.repeat(5_000),
  ),
  'a POST without a key, in whose body is one': post(HOST, TYPE, `Content-Length: ${KEY.length}`).replace(
    BODY,
    KEY,
  ),
  'a POST without a key, with a header that ends like one': post(`X-${KEY}`, HOST, TYPE, LENGTH),
  'a POST with other letters in its names': post('HOST: x', 'content-type: application/json', LENGTH),
};

const UNUSUAL: Readonly<Record<string, string>> = {
  nothing: '',
  'a line break before the request (RFC 9112, 2.2)': `\r\n${get(HOST)}`,
  'a part of a head': get(HOST).slice(0, -1),
  'a part of a body': post(HOST, TYPE, LENGTH).slice(0, -1),
  'a GET with a key': get(HOST, KEY),
  'two keys': post(KEY, KEY, HOST, TYPE, LENGTH),
  'a key and no host': post(KEY, TYPE, LENGTH),
  'a key and a host twice': post(KEY, HOST, HOST, TYPE, LENGTH),
  'a key and a length twice': post(KEY, HOST, LENGTH, TYPE, LENGTH),
  'a key and a cookie': post(KEY, HOST, TYPE, LENGTH, 'Cookie: a=b'),
  'a key and two keys of other letters': post(KEY, HOST, TYPE, LENGTH, KEY.replace('A', 'a')),
  'bearer in small letters': post(KEY.replace('Bearer', 'bearer'), HOST, TYPE, LENGTH),
  'two spaces before a key': post(KEY.replace('Bearer ', 'Bearer  '), HOST, TYPE, LENGTH),
  'a space behind a key': post(`${KEY} `, HOST, TYPE, LENGTH),
  'a comma in a key': post(`${KEY},b`, HOST, TYPE, LENGTH),
  'another method': get(HOST).replace('GET', 'OPTIONS'),
  'a method in small letters': get(HOST).replace('GET', 'get'),
  'POST of another type': post(HOST, 'Content-Type: text/plain', LENGTH),
  'a type in capital letters': post(HOST, 'Content-Type: Application/JSON', LENGTH),
  'a POST of a page': post(HOST, TYPE, LENGTH, 'Origin: https://app.example'),
  'a POST that may be repeated': post(HOST, TYPE, LENGTH, 'Idempotency-Key: a'),
  'a POST with a key that may be repeated': post('idempotency-key: a', KEY, HOST, TYPE, LENGTH),
  'a type with a parameter': post(HOST, `${TYPE}; charset=utf-8`, LENGTH),
  'no type': post(HOST, LENGTH),
  'a type twice': post(HOST, TYPE, TYPE, LENGTH),
  'no length': post(HOST, TYPE),
  'a length twice': post(HOST, TYPE, LENGTH, LENGTH),
  'a list of lengths (RFC 9112, 6.3)': post(HOST, TYPE, `${LENGTH}, ${BODY.length}`),
  'a signed length': post(HOST, TYPE, LENGTH.replace(': ', ': +')),
  'a length with a zero before it': post(HOST, TYPE, LENGTH.replace(': ', ': 0')),
  'a hexadecimal length': post(HOST, TYPE, 'Content-Length: 0x23'),
  'an empty body': post(HOST, TYPE, 'Content-Length: 0'),
  'a length above the limit': `${post(HOST, TYPE, 'Content-Length: 65537')}${'x'.repeat(65_537)}`,
  'a query behind /urls': post(HOST, TYPE, LENGTH).replace('/urls', '/urls?x'),
  'a GET with a length': get(HOST, 'Content-Length: 0'),
  'no Host (RFC 9112, 3.2)': get('Accept: */*'),
  'an empty Host': get('Host: '),
  'two Hosts': get(HOST, HOST),
  'two Hosts of a POST': post(HOST, TYPE, LENGTH, HOST),
  'an address as Host': get('Host: [::1]'),
  'a host with a user': get('Host: a@b'),
  'an address of its client': get(HOST, 'x-Forwarded-for: 192.0.2.1'),
  'another version': get(HOST).replace('1.1', '1.0'),
  'two spaces in the request line (RFC 9112, 3)': get(HOST).replace(' /', '  /'),
  'the form of a proxy (RFC 9112, 3.2.2)': get(HOST).replace('/abcd', 'http://x/abcd'),
  'a fragment': get(HOST).replace('1234', '1234#x'),
  'a fragment behind a query': get(HOST).replace('1234', '1234?a#x'),
  'a percent sign in the path': get(HOST).replace('1234', '%31234'),
  'a second slash': get(HOST).replace('1234', '1234/'),
  'the root': get(HOST).replace('abcd1234', ''),
  'a path beyond the longest key': get(HOST).replace('abcd1234', 'a'.repeat(65)),
  'a control character in the query': get(HOST).replace('1234', '1234?\x01'),
  'an 8-bit character in the query': get(HOST).replace('1234', '1234?\xfc'),
  'a tab before a value': get(HOST, 'Accept:\t*/*'),
  'no space before a value': get(HOST, 'Accept:*/*'),
  'two spaces before a value': get(HOST, 'Accept:  */*'),
  'a space behind a value': get(HOST, 'Accept: */* '),
  'a space behind the value of Host': get(`${HOST} `),
  'a tab in a value': get(HOST, 'Accept: a\tb'),
  'an empty value': get(HOST, 'Accept: '),
  'a space before the colon (RFC 9112, 5.1)': get(HOST, 'Accept : */*'),
  'a folded line (RFC 9112, 5.2)': get(HOST, 'Accept: a', ' b'),
  'a line without a colon': get(HOST, 'Accept'),
  'a name with a digit': get(HOST, 'X-B3: 1'),
  'a name with an underscore': get(HOST, 'X_B: 1'),
  'NUL in a value': get(HOST, 'Accept: a\0b'),
  'an 8-bit character in a value': get(HOST, 'Accept: \xfc'),
  'a bare CR (RFC 9112, 2.2)': get(HOST, 'Accept: a\rb'),
  'a bare LF (RFC 9112, 2.2)': get(HOST, 'Accept: a\nB: c'),
  'only LF': get(HOST).replaceAll('\r', ''),
  'a head of more than 8 KiB': get(HOST, `Accept: ${'a'.repeat(8_192)}`),
};

/** Each decides how a request is framed or answered. */
const WITH_MEANING =
  'Connection: keep-alive|connection: close|Proxy-Connection: close|Keep-Alive: timeout=1|' +
  'Transfer-Encoding: chunked|Transfer-Encoding: identity|Content-Encoding: gzip|Expect: 100-continue|' +
  'Upgrade: h2c|TE: trailers|Trailer: A|Authorization: Basic a|Cookie: a=b|X-Request-Id: a|' +
  'Purpose: prefetch|Sec-Purpose: prefetch|X-Moz: prefetch';

describe('the usual form of a request', () => {
  for (const [name, text] of Object.entries(USUAL))
    it(`is found: ${name}`, () => {
      expect(findUsualRequest(text, 0)?.end).to.equal(text.length);
      expect(findUsualRequest(`xyz${text}GET`, 3)?.end).to.equal(3 + text.length);
    });

  for (const [name, text] of Object.entries(UNUSUAL))
    it(`is not found: ${name}`, () => {
      expect(findUsualRequest(text, 0)).to.equal(undefined);
    });

  for (const header of WITH_MEANING.split('|'))
    it(`is not found with ${header}`, () => {
      for (const text of [get(header, HOST), get(HOST, header), post(header, HOST, TYPE, LENGTH)])
        expect(findUsualRequest(text, 0)).to.equal(undefined);
      expect(findUsualRequest(post(HOST, TYPE, header, LENGTH), 0)).to.equal(undefined);
    });

  it('has X-Forwarded-For only where that is looked for', () => {
    const proxied = get(
      'Accept: */*',
      HOST,
      'X-FORWARDED-for: 192.0.2.1, 192.0.2.2',
      'A: x-forwarded-for: b',
    );
    const twice = get(HOST, 'X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 192.0.2.2');
    const text = get(HOST) + proxied + post(HOST, TYPE, 'X-Forwarded-For: ::1', LENGTH) + twice;
    expect(findForwardedRequest(text, 0)).to.include({ path: '/abcd1234', forwardedFor: undefined });
    const second = findForwardedRequest(text, get(HOST).length);
    expect(second).to.include({ path: '/abcd1234', forwardedFor: '192.0.2.1, 192.0.2.2' });
    const third = findForwardedRequest(text, second?.end ?? 0);
    expect(third).to.include({ path: '/urls', forwardedFor: '::1' });
    expect(findForwardedRequest(text, third?.end ?? 0)).to.equal(undefined);
    expect(findUnlimitedRequest(proxied, 0)?.end).to.equal(proxied.length);
    expect(findUsualRequest(proxied, 0)).to.equal(undefined);
  });

  it('says where the path, the body and the next request are', () => {
    const text = post(HOST, TYPE, LENGTH);
    const found = findUsualRequest(text + text, text.length);
    expect(found).to.include({ method: 'POST', path: '/urls', end: 2 * text.length });
    expect((text + text).slice(found?.bodyStart, found?.end)).to.equal(BODY);
    expect(findUsualRequest(get(HOST).replace('1234', '1234?x'), 0)).to.include({
      method: 'GET',
      path: '/abcd1234',
    });
    expect(findUsualRequest(post(HOST, KEY, TYPE, LENGTH), 0)?.authorization).to.equal(
      KEY.slice('Authorization: '.length),
    );
  });

  it('has a key only where the request has one, in whatever order its headers come', () => {
    const others = ['Accept: */*', 'User-Agent: curl/8.5.0'];
    for (const order of ordersOf([HOST, TYPE, LENGTH])) {
      const found = findUsualRequest(post(...others, ...order), 0);
      expect(found?.authorization, order.join()).to.equal(undefined);
      expect(found?.end, order.join()).to.equal(post(...others, ...order).length);
    }
    for (const order of ordersOf([HOST, TYPE, LENGTH, KEY])) {
      const found = findUsualRequest(post(...order), 0);
      expect(found?.authorization, order.join()).to.equal(KEY.slice('Authorization: '.length));
      expect(found?.end, order.join()).to.equal(post(...order).length);
    }
  });

  it('is looked for in time that grows with the length of the head, whatever it contains', () => {
    const lines = (count: number, text: string): string => text.repeat(count);
    for (const hostile of [
      lines(2_000, 'A: b\r\n'),
      lines(400, 'Content-Length: 1\r\n'),
      lines(800, 'Host: x\r\n'),
      lines(200, 'Authorization: Bearer a\r\nHost: x\r\n'),
      `A: ${'a '.repeat(4_000)}\r\n`,
      `A: a${' '.repeat(8_000)}\r\n`,
    ]) {
      const beganMs = performance.now();
      for (const first of ['GET /a HTTP/1.1\r\n', 'POST /a HTTP/1.1\r\n'])
        expect(findUsualRequest(`${first}${hostile}\x01\r\n\r\n`, 0)).to.equal(undefined);
      expect(performance.now() - beganMs).to.be.below(100);
    }
  });
});

/** Every order of these headers. */
function ordersOf(headers: readonly string[]): string[][] {
  if (headers.length <= 1) return [[...headers]];
  return headers.flatMap((first) =>
    ordersOf(headers.filter((other) => other !== first)).map((rest) => [first, ...rest]),
  );
}
