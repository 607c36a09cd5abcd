import * as fc from 'fast-check';
import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import type { CallOptions } from './api-client.ts';
import { expectHarmless } from './fuzz/answer-rules.ts';
import { FIELD_NAMES } from './fuzz/mutations.ts';
import { ODD_TEXTS } from './fuzz/odd-values.ts';
import { useApi } from './use-api.ts';

/** `KEYMILL_TEST_RUNS=200000` sends as many as a release wants. */
const REQUESTS = Number(process.env['KEYMILL_TEST_RUNS'] ?? 400);

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom(...ODD_TEXTS.slice(0, -4)),
);
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(null, true, -1, 1e308, [], {}, ['account'], ['account', 'account'], [['admin']]),
);
const FIELDS = [...FIELD_NAMES, '__proto__', 'constructor'];
const object = fc.dictionary(fc.oneof(fc.constantFrom(...FIELDS), text), value, { maxKeys: 6 });
/** JSON, JSON with a part cut out, and a field twice. */
const body = fc.oneof(
  { weight: 4, arbitrary: object.map((fields) => JSON.stringify(fields)) },
  fc.tuple(object, fc.nat(), fc.nat(10)).map(([fields, at, length]) => {
    const json = JSON.stringify(fields);
    return json.slice(0, at % json.length) + json.slice((at % json.length) + length);
  }),
  fc
    .tuple(fc.constantFrom(...FIELDS), value, value)
    .map(
      ([name, a, b]) =>
        `{${JSON.stringify(name)}:${JSON.stringify(a)},${JSON.stringify(name)}:${JSON.stringify(b)}}`,
    ),
  text,
);
const headers = fc.dictionary(
  fc.constantFrom('authorization', 'cookie', 'origin', 'content-type', 'if-match', 'if-none-match', 'accept'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).map((header) => header.trim()),
  { maxKeys: 2 },
);
const segment = text.map((value) => encodeURIComponent(value.toWellFormed()).slice(0, 60) || 'x');

describe('any request to the API', () => {
  const fixture = useApi({ keys: 1_000 });
  const { api } = fixture;
  let cookie: string;

  before(async () => {
    const { people } = fixture;
    cookie = await people.session(await people.person());
  });

  it('is answered as the document says, never with a fault of ours, and nothing is echoed as markup', async function () {
    this.timeout(600_000);
    const request = fc.record({
      // The session goes on to the end.
      endpoint: fc.constantFrom(...ENDPOINTS.filter(({ name }) => name !== 'signOut')),
      body: fc.option(body, { nil: undefined }),
      headers: fc.option(headers, { nil: {} }),
      isKnown: fc.boolean(),
      segment,
      query: fc.option(fc.webQueryParameters({ size: 'small' }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(request, async (one) => {
        const { endpoint, isKnown, query } = one;
        const path = endpoint.path.replaceAll(/\{\w+\}/g, () => one.segment);
        const options: CallOptions = {
          ...(isKnown && { cookie }),
          ...(one.body !== undefined && { body: Buffer.from(one.body) }),
          headers: one.headers,
        };
        const answer = await api.call(
          endpoint.method,
          query === undefined ? path : `${path}?${query}`,
          options,
        );
        expectHarmless(answer, { target: path, text: JSON.stringify(one) });
      }),
      { numRuns: REQUESTS },
    );
  });
});
