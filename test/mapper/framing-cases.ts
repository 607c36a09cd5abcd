/** A request whose framing two programs may understand differently. */
export interface FramingCase {
  readonly what: string;
  /** One character for each byte. */
  readonly bytes: string;
}

export interface FramingGroup {
  /** What the cases have in common, and the section that says how it must be understood. */
  readonly about: string;
  readonly cases: readonly FramingCase[];
}

/**
 * What an attacker hides in a body. A program that takes the body for shorter than the sender meant answers
 * this too.
 */
const HIDDEN = 'GET /hidden-link HTTP/1.1\r\nHost: x\r\n\r\n';

const BODY = '{"long_url":"https://example.com/framed"}';
const SIZE = BODY.length.toString(16);
const CHUNKS = `${SIZE}\r\n${BODY}\r\n0\r\n\r\n`;

/** A GET with these lines after Host. */
function get(lines: string, after = ''): string {
  return `GET /known-link HTTP/1.1\r\nHost: x\r\n${lines}\r\n${after}`;
}

/** A POST with these lines in place of Content-Length. */
function post(lines: string, body = BODY): string {
  return `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${lines}\r\n${body}`;
}

const length = (value: string | number): string => `Content-Length: ${value}\r\n`;
const coding = (value: string): string => `Transfer-Encoding: ${value}\r\n`;

/** A request as it should be, with another first line. */
function first(line: string, rest = 'Host: x\r\n\r\n'): string {
  return `${line}\r\n${rest}`;
}

function casesOf(cases: Readonly<Record<string, string>>): FramingCase[] {
  return Object.entries(cases).map(([what, bytes]) => ({ what, bytes }));
}

/** A POST with a valid length and one more line. */
const withLine = (line: string): string => post(`${length(BODY.length)}${line}\r\n`);

/** Lines that say something about the connection, each in a GET and in a POST. */
const OF_CONNECTION = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Content-Length',
  'Proxy-Connection: close',
  'Keep-Alive: timeout=1',
  'Upgrade: h2c',
  'Connection: Upgrade\r\nUpgrade: h2c',
  'Trailer: Content-Length',
  'TE: trailers',
  'Expect: 100-continue',
  'Expect: more',
];

export const FRAMING: readonly FramingGroup[] = [
  {
    about: 'Content-Length and Transfer-Encoding together (RFC 9112, 6.3, rule 3)',
    cases: casesOf({
      'length first': post(length(BODY.length) + coding('chunked'), CHUNKS),
      'coding first': post(coding('chunked') + length(BODY.length), CHUNKS),
      'a request behind the last chunk': post(length(BODY.length + 60) + coding('chunked'), CHUNKS + HIDDEN),
      'a length that ends in the chunks': post(length(4) + coding('chunked'), CHUNKS),
      'a length of 0': post(length(0) + coding('chunked'), CHUNKS),
      'a coding that is no coding': post(length(BODY.length) + coding('x')),
      'a coding with a space before the colon': post(
        `${length(BODY.length)}Transfer-Encoding : chunked\r\n`,
        CHUNKS,
      ),
      'a coding with an underscore': post(`${length(BODY.length)}Transfer_Encoding: chunked\r\n`),
      'a GET': get(length(0) + coding('chunked'), '0\r\n\r\n'),
    }),
  },
  {
    about: 'Content-Length (RFC 9110, 8.6; RFC 9112, 6.3, rules 4 and 5)',
    cases: casesOf({
      'twice the same': post(length(BODY.length) + length(BODY.length)),
      'two different': post(length(BODY.length) + length(0), BODY),
      'two different, the other way round': post(length(0) + length(BODY.length), HIDDEN),
      'a list of the same': post(length(`${BODY.length}, ${BODY.length}`)),
      'a list of two': post(length(`0, ${BODY.length}`)),
      'a plus': post(length(`+${BODY.length}`)),
      'a minus': post(length(`-${BODY.length}`)),
      'a minus and 0': post(length('-0'), ''),
      hexadecimal: post(length(`0x${SIZE}`)),
      'hexadecimal without 0x': post(length('a'), '0123456789'),
      'zeros before': post(length(`00${BODY.length}`)),
      'only zeros': post(length('000'), ''),
      'a fraction': post(length(`${BODY.length}.0`)),
      'an exponent': post(length('4e1')),
      'a space inside': post(length('4 1')),
      'a space behind': post(length(`${BODY.length} `)),
      'two spaces before': post(length(` ${BODY.length}`)),
      'a tab before': post(`Content-Length:\t${BODY.length}\r\n`),
      'a vertical tab before': post(length(`\x0b${BODY.length}`)),
      'no space before': post(`Content-Length:${BODY.length}\r\n`),
      empty: post(length('')),
      'a word': post(length('many')),
      'a NUL behind': post(length(`${BODY.length}\0`)),
      quotes: post(length(`"${BODY.length}"`)),
      'an underscore inside': post(length('4_1')),
      'more than 64 bits': post(length('18446744073709551657')),
      'more than 53 bits': post(length('9007199254740993')),
      'one too small': post(length(BODY.length - 1)),
      'one too large': post(length(BODY.length + 1)),
      'none, with a body': post('', BODY),
      'none, with a request as the body': post('', HIDDEN),
      '0 in a POST': post(length(0), ''),
      '0 in a GET': get(length(0)),
      'in a GET, with a body': get(length(HIDDEN.length), HIDDEN),
      'in a HEAD, with a body': get(length(HIDDEN.length), HIDDEN).replace('GET', 'HEAD'),
      'none in a GET, with a body': get('', BODY),
      folded: post(`Content-Length:\r\n ${BODY.length}\r\n`),
      'a name with a minus sign missing': post(`ContentLength: ${BODY.length}\r\n`),
      'a name with a space before the colon': post(`Content-Length : ${BODY.length}\r\n`),
    }),
  },
  {
    about: 'Transfer-Encoding (RFC 9112, 6.1 and 6.3, rule 4)',
    cases: casesOf({
      chunked: post(coding('chunked'), CHUNKS),
      'in capitals': post(coding('CHUNKED'), CHUNKS),
      'chunked twice in a list': post(coding('chunked, chunked'), CHUNKS),
      'chunked twice in two lines': post(coding('chunked') + coding('chunked'), CHUNKS),
      'identity behind chunked, in two lines': post(coding('chunked') + coding('identity'), CHUNKS),
      'gzip before chunked': post(coding('gzip, chunked'), CHUNKS),
      'gzip behind chunked': post(coding('chunked, gzip'), CHUNKS),
      identity: post(coding('identity')),
      empty: post(coding('')),
      'a word that ends in chunked': post(coding('xchunked'), CHUNKS),
      'a word that begins with chunked': post(coding('chunkedx'), CHUNKS),
      'a parameter': post(coding('chunked;q=1'), CHUNKS),
      quotes: post(coding('"chunked"'), CHUNKS),
      'a comma behind': post(coding('chunked,'), CHUNKS),
      'a space behind': post(coding('chunked '), CHUNKS),
      'a tab before': post('Transfer-Encoding:\tchunked\r\n', CHUNKS),
      'a vertical tab before': post(coding('\x0bchunked'), CHUNKS),
      'a NUL behind': post(coding('chunked\0'), CHUNKS),
      folded: post('Transfer-Encoding:\r\n chunked\r\n', CHUNKS),
      'HTTP/1.0': post(coding('chunked'), CHUNKS).replace('HTTP/1.1', 'HTTP/1.0'),
      'a GET': get(coding('chunked'), '0\r\n\r\n'),
      'a GET, with a request in the chunk': get(
        coding('chunked'),
        `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
      ),
    }),
  },
  {
    about: 'chunks (RFC 9112, 7.1)',
    cases: casesOf({
      'an extension': post(coding('chunked'), `${SIZE};a=b\r\n${BODY}\r\n0\r\n\r\n`),
      'an extension in quotes': post(coding('chunked'), `${SIZE};a="b\\"c"\r\n${BODY}\r\n0\r\n\r\n`),
      'an extension with a line feed': post(coding('chunked'), `${SIZE};a\nb\r\n${BODY}\r\n0\r\n\r\n`),
      'an extension of the last chunk': post(coding('chunked'), `${SIZE}\r\n${BODY}\r\n0;a=b\r\n\r\n`),
      'a space behind the size': post(coding('chunked'), `${SIZE} \r\n${BODY}\r\n0\r\n\r\n`),
      'a size with 0x': post(coding('chunked'), `0x${SIZE}\r\n${BODY}\r\n0\r\n\r\n`),
      'a size with a plus': post(coding('chunked'), `+${SIZE}\r\n${BODY}\r\n0\r\n\r\n`),
      'a size of more than 64 bits': post(coding('chunked'), `1${'0'.repeat(16)}\r\n${BODY}\r\n0\r\n\r\n`),
      'a line feed behind the size': post(coding('chunked'), `${SIZE}\n${BODY}\r\n0\r\n\r\n`),
      'a line feed behind the data': post(coding('chunked'), `${SIZE}\r\n${BODY}\n0\r\n\r\n`),
      'nothing behind the data': post(coding('chunked'), `${SIZE}\r\n${BODY}0\r\n\r\n`),
      'data longer than the size': post(coding('chunked'), `${SIZE}\r\n${BODY}x\r\n0\r\n\r\n`),
      'a trailer': post(coding('chunked'), `${SIZE}\r\n${BODY}\r\n0\r\nContent-Length: 5\r\n\r\n`),
      'a wrong chunk behind a right one': post(coding('chunked'), `1\r\n{\r\nz`),
      'a wrong chunk of a request that needs no body': first(
        'POST /nothing-there HTTP/1.1',
        `Host: x\r\n${coding('chunked')}\r\n1\r\n{\r\nz`,
      ),
      'a wrong chunk of a body of another type': post(coding('chunked'), `1\r\n{\r\nz`).replace(
        'json',
        'xml',
      ),
      'a wrong chunk of an unknown coding': post(coding('chunked;q=1') + coding('chunked'), `1\r\n{\r\nz`),
      'no last chunk': post(coding('chunked'), `${SIZE}\r\n${BODY}\r\n`),
    }),
  },
  {
    about: 'ends of lines (RFC 9112, 2.2 and 5.2)',
    cases: casesOf({
      'a line feed behind the first line': first('GET /known-link HTTP/1.1', '').replace(
        '\r\n',
        '\nHost: x\r\n\r\n',
      ),
      'a line feed behind a header': get('A: b\nC: d\r\n'),
      'a line feed before a hidden length': get('A: b\nContent-Length: 5\r\n', 'hello'),
      'line feeds only': get('').replaceAll('\r\n', '\n'),
      'a line feed at the end of the head': 'GET /known-link HTTP/1.1\r\nHost: x\r\n\n',
      'a carriage return behind the first line': 'GET /known-link HTTP/1.1\rHost: x\r\n\r\n',
      'a carriage return in a value': get('A: b\rContent-Length: 5\r\n', 'hello'),
      'a carriage return at the end of the head': 'GET /known-link HTTP/1.1\r\nHost: x\r\n\rX',
      'two carriage returns': get('A: b\r\r\n'),
      'a folded line': get('A: b\r\n c\r\n'),
      'a folded line with a tab': get('A: b\r\n\tTransfer-Encoding: chunked\r\n'),
      'a folded first header': 'GET /known-link HTTP/1.1\r\n Host: x\r\n\r\n',
      'a line of spaces': get(' \r\n'),
      'empty lines before the request': `\r\n\r\n${get('')}`,
      'a line feed before the request': `\n${get('')}`,
      'a space before the request': ` ${get('')}`,
      'an empty line behind a body': post(length(BODY.length), `${BODY}\r\n`),
    }),
  },
  {
    about: 'names and values of headers (RFC 9112, 5 and 5.1; RFC 9110, 5.5)',
    cases: casesOf({
      'a space before the colon': get('A : b\r\n'),
      'a tab before the colon': get('A\t: b\r\n'),
      'a space in the name': get('A B: c\r\n'),
      'no colon': get('A\r\n'),
      'no name': get(': b\r\n'),
      'no value': get('A:\r\n'),
      'a NUL in the name': get('A\0: b\r\n'),
      'a NUL in the value': get('A: b\0c\r\n'),
      'a control character in the value': get('A: b\x01c\r\n'),
      'a tab in the value': get('A: b\tc\r\n'),
      'a tab before the value': get('A:\tb\r\n'),
      'DEL in the value': get('A: b\x7fc\r\n'),
      '8 bits in the name': get('A\xfc: b\r\n'),
      '8 bits in the value': get('A: \xfc\xff\r\n'),
      'digits in the name': get('A1: b\r\n'),
      'an underscore in the name': get('A_B: c\r\n'),
      'all characters of a token': get("!#$%&'*+-.^_`|~: b\r\n"),
      'a slash in the name': get('A/B: c\r\n'),
      'a request as a header': get('GET /hidden-link HTTP/1.1\r\n'),
      'a length in 17,000 bytes of headers': get(`A: ${'b'.repeat(17_000)}\r\n`),
    }),
  },
  {
    about: 'the first line (RFC 9112, 2.3 and 3)',
    cases: casesOf({
      'HTTP/0.9': 'GET /known-link\r\n\r\n',
      'HTTP/0.9 by name': first('GET /known-link HTTP/0.9'),
      'HTTP/1.0': first('GET /known-link HTTP/1.0'),
      'HTTP/1.0, kept': first('GET /known-link HTTP/1.0', 'Host: x\r\nConnection: keep-alive\r\n\r\n'),
      'HTTP/1.2': first('GET /known-link HTTP/1.2'),
      'HTTP/2.0': first('GET /known-link HTTP/2.0'),
      'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'two digits': first('GET /known-link HTTP/1.10'),
      'small letters': first('GET /known-link http/1.1'),
      'two spaces': first('GET  /known-link HTTP/1.1'),
      'a tab': first('GET\t/known-link HTTP/1.1'),
      'a space behind the version': first('GET /known-link HTTP/1.1 '),
      'a space in the target': first('GET /known-link x HTTP/1.1'),
      'a small method': first('get /known-link HTTP/1.1'),
      'an unknown method': first('GETT /known-link HTTP/1.1'),
      'a NUL in the target': first('GET /known-link\0 HTTP/1.1'),
      '8 bits in the target': first('GET /known-link\xfc HTTP/1.1'),
      'the absolute form (RFC 9112, 3.2.2)': first('GET http://x/known-link HTTP/1.1'),
      'the absolute form with another Host': first('GET http://y/known-link HTTP/1.1'),
      'the authority form (RFC 9112, 3.2.3)': first('GET x:443 HTTP/1.1'),
      CONNECT: first('CONNECT x:443 HTTP/1.1'),
      'the asterisk form (RFC 9112, 3.2.4)': first('OPTIONS * HTTP/1.1'),
      'a fragment': first('GET /known-link#x HTTP/1.1'),
      'a fragment behind a query': first('GET /known-link?a#x HTTP/1.1'),
    }),
  },
  {
    about: 'Host (RFC 9112, 3.2; RFC 9110, 7.2)',
    cases: casesOf({
      none: first('GET /known-link HTTP/1.1', '\r\n'),
      'twice the same': get('Host: x\r\n'),
      'two different': get('Host: y\r\n'),
      'two in different cases': get('hOST: y\r\n'),
      empty: first('GET /known-link HTTP/1.1', 'Host:\r\n\r\n'),
      'a user': first('GET /known-link HTTP/1.1', 'Host: user@x\r\n\r\n'),
      'a list': first('GET /known-link HTTP/1.1', 'Host: x, y\r\n\r\n'),
      'a path': first('GET /known-link HTTP/1.1', 'Host: x/y\r\n\r\n'),
      'a space before the colon': first('GET /known-link HTTP/1.1', 'Host : x\r\n\r\n'),
      'a second with a space before the colon': get('Host : y\r\n'),
      folded: first('GET /known-link HTTP/1.1', 'Host: x\r\n y\r\n\r\n'),
      'a tab behind': first('GET /known-link HTTP/1.1', 'Host: x\t\r\n\r\n'),
    }),
  },
  {
    about: 'the connection (RFC 9112, 9.3 and 9.6; RFC 9110, 6.5.1, 7.6.1, 7.8, 10.1.1)',
    cases: OF_CONNECTION.flatMap((line) => {
      const name = line.replace('\r\n', ', ');
      return [
        { what: `${name} in a GET`, bytes: get(`${line}\r\n`) },
        { what: `${name} in a POST`, bytes: withLine(line) },
      ];
    }),
  },
];
