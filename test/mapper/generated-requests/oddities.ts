/* Values of single parts that make a request unusual, or look as if they did. */

export const ODD_HOSTS =
  "|a b|a/b|x:y|x:|[|[::1]|[::1]:80|::1|\u00fc|%|a%20b|a@b|u:p@a|a,b|x, y|a?b|a#b|<x>|x:1:2|x\t|\tx|x\0|a!$&'()*+,;=~|.|..|-";

export const METHODS =
  'GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT QUERY PRI get Get GETT GE G POST, M-SEARCH PROPFIND GET\t ACL';

export const ODD_TARGETS = [
  '/ // * /urls /URLS /urls/ /urls? /urls?x=1 /urls/x /Urls.txt /health /livez /robots.txt /favicon.ico /status',
  '/known-link/ /known-link/x //known-link /known%2Dlink /known-link% /known-link;x /known-link#x /known-link?#',
  '/KNOWN-LINK /known-link. /known-link). /known-link%E2%80%8B /known-link\u00a0 /known-link\u00fc /known-link\\',
  'known-link http://x/known-link https://x/known-link http://x x:443 ?known-link #known-link /known-link|x',
  'HTTP://X/known-link http://u:p@x/known-link http:///known-link /. /.. /./known-link /../known-link /a /ab /abc',
  `/${'a'.repeat(63)} /${'a'.repeat(64)} /${'a'.repeat(65)} /${'a'.repeat(8_000)} /${'a'.repeat(17_000)}`,
].flatMap((line) => line.split(' '));

export const VERSIONS =
  'HTTP/1.0|HTTP/0.9|HTTP/2.0|HTTP/1.2|HTTP/1.|HTTP/.1|HTTP/11|HTTP/1.10|HTTP/01.1|http/1.1|Http/1.1|HTTP/1,1|HTTP 1.1|HTTP/1.1 |HTTP/1.1\t|HTTP/1.1x|HTTPS/1.1|ICE/1.0|RTSP/1.0||HTTP/+1.1|HTTP/1.1 HTTP/1.1';

export const LENGTHS =
  '0|1|7|+5|-1|05|0x5|5.0|5e0|5, 5|5,6|5 5| 5|5 ||a|\u0665|99999|65536|65537|18446744073709551616|9007199254740993|1_0|5;|"5"';

export const CODINGS =
  'chunked|Chunked|chunked |\tchunked|\x0bchunked|chunked, chunked|gzip, chunked|chunked, gzip|identity|identity, chunked|xchunked|chunkedx|chunked;q=1|"chunked"||, chunked|chunked,|chu nked|trailers';

export const ODD_BODIES = [
  '',
  ' ',
  '{',
  '{}',
  '[]',
  'null',
  '7',
  '"text"',
  '{"long_url":7}',
  '{"long_url":"https://a.example/","long_url":"https://b.example/"}',
  '{"long_url":"https://a.example/","long\\u005furl":"https://b.example/"}',
  '{"long_url":"https://a.example/","more":1}',
  '{"long_url":"https://a.example/","__proto__":null}',
  '{"long_url":"https://a.example/","custom_alias":"taken-alias"}',
  '{"long_url":"https://a.example/","custom_alias":"urls"}',
  '{"long_url":"https://a.example/","expiration_date":"1999-01-01T00:00:00Z"}',
  '{"long_url":"https://a.example/","expiration_date":"2999-01-01T00:00:00+01:00"}',
  '{"long_url":"https://a.example/","find_if_exists":false}',
  '{"long_url":"https://a.example/","find_if_exists":1}',
  '{"long_url":"ftp://a.example/","find_if_exists":true}',
  '{"long_url":"http://127.0.0.1/"}',
  '{"long_url":"https://go.example/x"}',
  '{"long_url":"ftp://a.example/"}',
  '\xef\xbb\xbf{"long_url":"https://a.example/"}',
  '{"long_url":"https://\xd0\xbf\xd1\x80.\xd1\x80\xd1\x84/"}',
  '{"long_url":"https://a.example/\xff"}',
  '  {  "long_url" : "HTTPS://A.example:443/a b"  }\r\n',
  `{"long_url":"https://a.example/${'a'.repeat(2_100)}"}`,
  `{"long_url":"https://a.example/","more":"${'a'.repeat(66_000)}"}`,
  '5\r\nhello\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '0\r\n\r\nGET /known-link HTTP/1.1\r\nHost: x\r\n\r\n',
];

export const TYPES = [
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset=latin1',
  'application/json ',
  'application/problem+json',
  'application/jsonx',
  'application/json, text/plain',
  'text/plain',
  '',
];

export const QUERIES = [
  '?',
  '?a=b&c',
  '?utm_source=x',
  '?/../%zz',
  '?a?b',
  '?\u00fc',
  '?a\tb',
  '?"',
  `?${'q'.repeat(3_000)}`,
];

export const LINE_ENDS = [
  '\n',
  '\r',
  '\r\r\n',
  '\n\r',
  '\r\n ',
  '\r\n\t',
  ' \r\n',
  '\t\r\n',
  '\0\r\n',
  '\x0b\r\n',
  '',
];

/** Bytes at which parsers differ. */
export const BYTES = '\0\t\n\x0b\x0c\r\x1f !"#,-./:;?@[\\]_{|}~\x7f\x80\x85\xa0\xff0aAZ';
