import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { MAX_JSON_BYTES } from '../../../mapper/bulk/read-items.ts';
import { MAX_BODY_BYTES } from '../../../mapper/http/limits.ts';
import { PROBLEMS, type ProblemKind } from '../../../mapper/http/problem.ts';
import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import type { DeclaredContents } from '../../../mapper/api/content.ts';
import type { Endpoint } from '../../../mapper/api/endpoint.ts';
import { problemsOf } from '../../../mapper/api/problems-of.ts';
import { createToken } from '../../../mapper/auth/secrets.ts';
import type { Answer } from '../client.ts';
import { until } from '../../until.ts';
import { SseClient } from '../live/sse-client.ts';
import { pngThatClaims, randomPng } from '../images/pictures.ts';
import { NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { ApiClient, problemKind, type CallOptions } from './api-client.ts';
import { PASSWORD, type People } from './people.ts';
import { useApi } from './use-api.ts';

/**
 * Problems that a test of another file provokes: they need a fault of the stores, or many requests at a time.
 */
const ELSEWHERE: Readonly<Partial<Record<ProblemKind, string>>> = {
  incomplete: 'http-shorten.test.ts',
  overloaded: 'passwords.test.ts, sharing.test.ts',
  'no-key': 'outages.test.ts',
  'store-down': 'outages.test.ts',
};

/** The same for problems of one endpoint, by its name. */
const ELSEWHERE_OF: Readonly<Record<string, Readonly<Partial<Record<ProblemKind, string>>>>> = {
  importLinks: { 'too-large': 'import-api.test.ts' },
  postImage: { 'too-large': 'bad-uploads.test.ts', 'too-slow': 'http-streams.test.ts' },
};

function isElsewhere({ name }: Endpoint, kind: ProblemKind): boolean {
  return (ELSEWHERE[kind] ?? ELSEWHERE_OF[name]?.[kind]) !== undefined;
}

/** A picture, or a body of the first type that has an example. */
function exampleOf(types: DeclaredContents): Pick<CallOptions, 'body' | 'headers'> {
  if ('image/png' in types) return pictureOf(randomPng());
  const [type = '', content] = Object.entries(types).find(([, { example }]) => example !== undefined) ?? [];
  return { body: content?.example as object | string, headers: { 'content-type': type } };
}

function pictureOf(body: Buffer): Pick<CallOptions, 'body' | 'headers'> {
  return { body, headers: { 'content-type': 'image/png' } };
}

/** A body that somebody may send who may send anything at all. */
function anyBodyOf({ bodyTypes }: Endpoint): Pick<CallOptions, 'body' | 'headers'> {
  return bodyTypes !== undefined && 'image/png' in bodyTypes ? exampleOf(bodyTypes) : { body: {} };
}

const JSON_BODY = { 'application/json': {} };

describe('every documented status', () => {
  const fixture = useApi({ hasImages: true });
  const { api, makeLink } = fixture;
  let world: World;
  let mapper: TestMapper;
  let people: People;

  before(() => {
    ({ world, mapper, people } = fixture);
  });

  /** A request of somebody who may send it, without a body. */
  async function allowed(endpoint: Endpoint): Promise<CallOptions> {
    if (endpoint.access === 'anyone') return {};
    return { cookie: await people.session(await people.person({ isAdmin: true })) };
  }

  async function call(endpoint: Endpoint, options: CallOptions, client = api): Promise<Answer> {
    return client.call(endpoint.method, endpoint.path.replaceAll(/\{\w+\}/g, 'none'), options);
  }

  /** A new link, and the session of its owner. */
  async function ownLink(): Promise<{ cookie: string; key: string }> {
    const cookie = await people.session(await people.person());
    return { cookie, key: await makeLink(cookie) };
  }

  /** A new image, and the session of its owner. */
  async function ownImage(): Promise<{ cookie: string; key: string }> {
    const cookie = await people.session(await people.person());
    const answer = await api.call('POST', '/images', { cookie, ...pictureOf(randomPng()) });
    return { cookie, key: String(answer.json()['unique_id']) };
  }

  async function ownOf({ path }: Endpoint): Promise<{ cookie: string; key: string }> {
    return path.startsWith('/images') ? ownImage() : ownLink();
  }

  /** A request about an own link, by its owner or by an administrator. */
  async function callOwn(
    endpoint: Endpoint,
    options: CallOptions,
    own?: { cookie: string; key: string },
  ): Promise<Answer> {
    const { method, path, access, body, example } = endpoint;
    const { cookie: owner, key } = own ?? (await ownOf(endpoint));
    const cookie = access === 'admin' ? await people.session(await people.person({ isAdmin: true })) : owner;
    return api.call(method, path.replace('{key}', key), {
      ...options,
      cookie,
      ...(body !== undefined && { body: example ?? {} }),
    });
  }

  /** An answer that has no end. */
  async function beginStream({ method, status }: Endpoint, path: string, cookie: string): Promise<void> {
    const { response, close } = await SseClient.open(mapper.url + path, { cookie });
    const answer = {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: '',
      json: () => ({}),
    };
    close();
    expect(answer.status).to.equal(status);
    api.document.check(method, path, answer);
  }

  /** How to provoke each problem that many endpoints have, whichever endpoint it is. */
  const GENERAL: Readonly<Partial<Record<ProblemKind, (endpoint: Endpoint) => Promise<Answer>>>> = {
    'malformed-json': async (one) => call(one, { ...(await allowed(one)), body: '{' }),
    'too-large': async (one) => {
      const max = one.bodyTypes === undefined ? (one.maxBodyBytes ?? MAX_BODY_BYTES) : MAX_JSON_BYTES;
      return call(one, { ...(await allowed(one)), body: `{"a":"${'a'.repeat(max)}"}` });
    },
    'wrong-type': async (one) =>
      call(one, { ...(await allowed(one)), body: 'a=b', headers: { 'content-type': 'no/such' } }),
    'not-json': async (one) =>
      call(one, { ...(await allowed(one)), body: 'a=b', headers: { 'content-type': 'text/plain' } }),
    'not-utf8': async (one) =>
      call(one, {
        ...(await allowed(one)),
        body: '{}',
        headers: { 'content-type': `${Object.keys(one.bodyTypes ?? JSON_BODY).at(-1)}; charset=latin1` },
      }),
    compressed: async (one) =>
      call(one, {
        ...(await allowed(one)),
        body: '{}',
        headers: {
          'content-type': Object.keys(one.bodyTypes ?? JSON_BODY).at(-1) ?? '',
          'content-encoding': 'gzip',
        },
      }),
    'invalid-request': async (one) =>
      one.body === undefined
        ? api.call(one.method, `${one.path.replaceAll(/\{\w+\}/g, 'none')}?surprise=1`, await allowed(one))
        : call(one, { ...(await allowed(one)), body: { surprise: 1 } }),
    unauthenticated: async (one) => call(one, anyBodyOf(one)),
    'bad-credential': async (one) => call(one, { key: 'km_wrong', body: {} }),
    'missing-scope': async (one) =>
      call(one, { key: (await people.key(await people.person(), ['teams'])).key, body: {} }),
    'foreign-origin': async (one) =>
      call(one, { ...(await allowed(one)), body: {}, headers: { origin: 'https://evil.example' } }),
    'not-found': async (one) =>
      call(one, { ...(await allowed(one)), ...(one.body !== undefined && { body: one.example ?? {} }) }),
    'unknown-key': async (one) =>
      api.call(one.method, one.path.replace('{key}', 'a.'), {
        ...(await allowed(one)),
        ...(one.body !== undefined && { body: one.example ?? {} }),
      }),
    'changed-meanwhile': async (one) => callOwn(one, { headers: { 'if-match': '"1-00000000"' } }),
    'link-deleted': async (one) => {
      const { cookie, key } = await ownOf(one);
      await api.call('DELETE', `/urls/${key}`, { cookie });
      return callOwn(one, {}, { cookie, key });
    },
    'change-blocked': async (one) => {
      const own = await ownLink();
      for (const { sql } of world.urls)
        await sql.query(
          `UPDATE urls SET rules = '{"blocked":"phishing"}', ruled_url = original_url, original_url = NULL
             WHERE unique_id = ?`,
          [own.key],
        );
      return callOwn(one, {}, own);
    },
    'no-accounts': async (one) => {
      const alone = await world.start({ stores: { usersDb: undefined } });
      try {
        const client = new ApiClient(() => alone.url, api.document);
        return await call(
          one,
          { cookie: `keymill_session=${createToken().text}`, body: one.example ?? {} },
          client,
        );
      } finally {
        await alone.stop();
      }
    },
    'no-keys': async (one) => {
      const empty = await world.start({
        stores: { redis: [{ name: 'redis-9', url: 'redis://127.0.0.1:1' }] },
        blobs: fixture.blobs,
      });
      try {
        const sent = one.bodyTypes === undefined ? { body: one.example ?? {} } : exampleOf(one.bodyTypes);
        const sender = one.bodyTypes === undefined ? {} : await allowed(one);
        return await call(one, { ...sender, ...sent }, new ApiClient(() => empty.url, api.document));
      } finally {
        await empty.stop();
      }
    },
    'no-images': async (one) => {
      const without = await world.start({ blobs: undefined });
      try {
        const options = { ...(await allowed(one)), ...(one.bodyTypes && exampleOf(one.bodyTypes)) };
        return await call(one, options, new ApiClient(() => without.url, api.document));
      } finally {
        await without.stop();
      }
    },
    'malformed-form': async (one) =>
      call(one, {
        ...(await allowed(one)),
        body: 'a=b',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
      }),
    'not-an-image': async (one) => call(one, { ...(await allowed(one)), ...pictureOf(Buffer.from('GIF')) }),
    'damaged-image': async (one) =>
      call(one, { ...(await allowed(one)), ...pictureOf(randomPng().subarray(0, 60)) }),
    'too-many-pixels': async (one) =>
      call(one, { ...(await allowed(one)), ...pictureOf(pngThatClaims(100_000, 100_000)) }),
    'range-beyond': async (one) => callOwn(one, { headers: { range: 'bytes=1000000-' } }),
    'link-expired': async (one) => {
      const own = await ownOf(one);
      for (const { sql } of world.urls)
        await sql.query(`UPDATE urls SET expires_at = '2001-01-01' WHERE unique_id = ?`, [own.key]);
      return callOwn(one, {}, own);
    },
    'link-disabled': async (one) => {
      const own = await ownOf(one);
      await api.call('PATCH', `/urls/${own.key}`, { cookie: own.cookie, body: { disabled: true } });
      return callOwn(one, {}, own);
    },
    'link-blocked': async (one) => {
      const own = await ownOf(one);
      const cookie = await people.session(await people.person({ isAdmin: true }));
      const body = { blocked: true, reason: 'phishing' };
      await api.call('PATCH', `/admin/links/${own.key}`, { cookie, body });
      return callOwn(one, {}, own);
    },
    'signup-closed': async (one) => {
      const closed = await world.start({ signup: 'closed' });
      try {
        return await call(one, { body: one.example ?? {} }, new ApiClient(() => closed.url, api.document));
      } finally {
        await closed.stop();
      }
    },
    'import-not-over': async (one) => {
      const person = await people.person();
      const id = randomBytes(16).toString('hex');
      const options = JSON.stringify({ from: 'auto', onConflict: 'skip', isDryRun: false });
      await people.db.imports.create({ id, userId: person.id, createdAt: new Date(), options });
      const cookie = await people.session(person);
      return api.call(one.method, one.path.replace('{import_id}', id), { cookie });
    },
    'email-taken': async (one) => {
      const { email } = await people.person();
      return call(one, { body: { email, password: PASSWORD } });
    },
    'wrong-password': async (one) => call(one, { body: { email: 'nobody@example.com', password: PASSWORD } }),
    'account-disabled': async (one) => {
      const { id, email } = await people.person();
      await people.db.users.setDisabled(id, true, new Date());
      return call(one, { body: { email, password: PASSWORD } });
    },
    'too-many-requests': async (one) => {
      const perMinute = { ...NO_LIMITS.perMinute, anonymous: 1, key: 1, 'sign-in': 1, 'not-found': 1 };
      const limits = { ...NO_LIMITS, perMinute, loopback: true };
      const strict = await world.start({ limits, blobs: fixture.blobs });
      try {
        const client = new ApiClient(() => strict.url, api.document);
        const { key } = await people.key(await people.person({ isAdmin: true }), ['admin']);
        const sender = typeof one.access === 'string' && one.access !== 'anyone' ? { key } : {};
        await call(one, { ...sender, body: {} }, client);
        return await call(one, { ...sender, body: {} }, client);
      } finally {
        await strict.stop();
      }
    },
    'idempotency-key-reused': async (one) => {
      const sender = { ...(await allowed(one)), headers: { 'idempotency-key': 'sent twice' } };
      await call(one, { ...sender, body: { long_url: 'https://example.com/' } });
      return call(one, { ...sender, body: { long_url: 'https://example.com/other' } });
    },
    'alias-taken': async (one) => {
      const body = { long_url: 'https://example.com/', custom_alias: 'taken-once' };
      await call(one, { body });
      return call(one, { body });
    },
  };

  for (const endpoint of ENDPOINTS.filter(({ conditional }) => conditional === 'read'))
    it(`304 of ${endpoint.method} ${endpoint.path}`, async () => {
      const answer = await callOwn(endpoint, { headers: { 'if-none-match': '*' } });
      expect([answer.status, answer.text]).to.deep.equal([304, '']);
    });

  for (const endpoint of ENDPOINTS.filter(({ repeatable }) => repeatable === 'request'))
    it(`200 of ${endpoint.method} ${endpoint.path}`, async () => {
      const options = { ...(await allowed(endpoint)), body: { ...endpoint.example, find_if_exists: true } };
      await call(endpoint, options);
      expect((await call(endpoint, options)).status).to.equal(200);
    });

  for (const endpoint of ENDPOINTS.filter(({ finds }) => finds !== undefined))
    it(`200 of ${endpoint.method} ${endpoint.path}`, async () => {
      const sender = await allowed(endpoint);
      const options = { ...sender, ...exampleOf(endpoint.bodyTypes ?? {}) };
      const path = `${endpoint.path}?find_if_exists=true`;
      await api.call(endpoint.method, path, options);
      expect((await api.call(endpoint.method, path, options)).status).to.equal(200);
    });

  for (const endpoint of ENDPOINTS.filter(({ hasRanges }) => hasRanges === true))
    it(`206 of ${endpoint.method} ${endpoint.path}`, async () => {
      const answer = await callOwn(endpoint, { headers: { range: 'bytes=0-3' } });
      expect([answer.status, answer.text.length]).to.deep.equal([206, 4]);
    });

  for (const endpoint of ENDPOINTS)
    describe(`of ${endpoint.method} ${endpoint.path}`, () => {
      for (const kind of problemsOf(endpoint)) {
        if (isElsewhere(endpoint, kind)) continue;
        it(`${PROBLEMS[kind].status} ${kind}`, async () => {
          const answer = await (GENERAL[kind] ?? expect.fail(`nothing provokes ${kind}`))(endpoint);
          expect([answer.status, problemKind(answer)]).to.deep.equal([PROBLEMS[kind].status, kind]);
        });
      }
    });

  it('of success, with the example of each endpoint: the answer has the fields of the example', async () => {
    const ana = await people.person();
    const admin = await people.person({ isAdmin: true });
    const other = await people.person();
    const { keyId } = await people.key(ana, ['account']);
    let key = '';
    let imageKey = '';
    let importId = '';
    let webhookId = '';
    const toPath = (path: string): string =>
      path
        .replace('{key_id}', keyId)
        .replace('{user_id}', String(other.id))
        .replace('/images/{key}', `/images/${imageKey}`)
        .replace('{key}', key)
        .replace('{import_id}', importId)
        .replace('{webhook_id}', webhookId)
        .replace('{domain}', 'bank-login.example')
        .replace('{tag}', 'greetings');
    let password = PASSWORD;
    // The deletion of the account comes last.
    const last = ['deleteImage', 'deleteAccount'];
    const ordered = ENDPOINTS.toSorted((a, b) => last.indexOf(a.name) - last.indexOf(b.name));
    for (const endpoint of ordered) {
      // A change of the password ends the tokens before it.
      const token = createToken();
      const now = new Date();
      await people.db.resets.create(token.hash, ana.id, now, new Date(now.getTime() + 60_000));
      const { method, path, name, access, status, exampleAnswer, body, bodyTypes, answerTypes, example } =
        endpoint;
      const own: Readonly<Record<string, object>> = {
        signUp: { email: 'new@example.com' },
        signIn: { email: ana.email, password },
        changePassword: { current: password },
        resetPassword: { token: token.text },
        deleteAccount: { password },
      };
      if (name === 'removeImport')
        await until('the import to be over', async () => {
          const job = await people.db.imports.find(importId);
          return job?.state === 'done' || job?.state === 'failed';
        });
      const cookie = access === 'anyone' ? '' : await people.session(access === 'admin' ? admin : ana);
      if (answerTypes?.['text/event-stream'] !== undefined) {
        await beginStream(endpoint, toPath(path), cookie);
        continue;
      }
      const answer = await api.call(method, toPath(path), {
        ...(cookie !== '' && { cookie }),
        ...(body !== undefined && { body: { ...example, ...own[name] } }),
        ...(bodyTypes !== undefined && exampleOf(bodyTypes)),
      });
      expect(answer.status, `${name}: ${answer.text}`).to.equal(status);
      if (exampleAnswer !== undefined)
        expect(answer.json(), name).to.have.all.keys(...Object.keys(exampleAnswer));
      if (name === 'postImage') imageKey = String(answer.json()['unique_id']);
      if (name === 'importLinks') importId = String(answer.json()['id']);
      if (name === 'createWebhook') webhookId = String(answer.json()['webhook_id']);
      if (name === 'createLink') key = String(answer.json()['unique_id']);
      if (name === 'changePassword' || name === 'resetPassword') password = String(example?.['new']);
    }
  });

  // In a part of its own, because it must run after the others.
  describe('together', () => {
    it('was seen: the document has no other', () => {
      const documented = api.document.operations.flatMap(({ operationId, responses }) =>
        Object.keys(responses)
          .filter((status) => status !== 'default')
          .map((status) => `${operationId} ${status}`),
      );
      const elsewhere = new Set(
        ENDPOINTS.flatMap((endpoint) =>
          problemsOf(endpoint)
            .filter((kind) => isElsewhere(endpoint, kind))
            .map((kind) => `${endpoint.name} ${PROBLEMS[kind].status}`),
        ),
      );
      const unseen = documented.filter((one) => !api.document.seen.has(one) && !elsewhere.has(one));
      expect(unseen).to.deep.equal([]);
    });
  });
});
