import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import { describeEndpoints } from '../../../mapper/api/page.ts';
import { problemsOf } from '../../../mapper/api/problems-of.ts';
import { isReserved, RESERVED_LATER } from '../../../db/keyspace/reserved.ts';
import { REPOSITORY } from '../../../scripts/cluster/run-dir.ts';
import { ApiDocument } from './document.ts';

/* The objects of OpenAPI 3.1 that we use, with the fields that the specification allows and we use. */
const reference = z.strictObject({ $ref: z.string().regex(/^#\/components\/[a-zA-Z]+\/[\w.-]+$/) });
const jsonSchema = z.record(z.string(), z.unknown());
const header = z.strictObject({ description: z.string(), schema: jsonSchema });
const content = z.record(
  z.string().regex(/^[a-z]+\/[a-z.+-]+$/),
  z.strictObject({ schema: jsonSchema, example: z.unknown().optional() }),
);
const response = z.strictObject({
  description: z.string().min(1),
  headers: z.record(z.string(), z.union([reference, header])).optional(),
  content: content.optional(),
});
const operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z]+$/),
  tags: z.array(z.string()).length(1),
  summary: z.string().min(1),
  description: z.string().optional(),
  security: z.array(z.partialRecord(z.enum(['apiKey', 'session']), z.array(z.string()))),
  parameters: z
    .array(
      z.discriminatedUnion('in', [
        z.strictObject({
          in: z.literal('path'),
          name: z.string(),
          schema: jsonSchema,
          required: z.literal(true),
        }),
        z.strictObject({
          in: z.enum(['query', 'header']),
          name: z.string(),
          schema: jsonSchema,
          required: z.boolean().optional(),
          description: z.string().optional(),
        }),
      ]),
    )
    .optional(),
  requestBody: z.strictObject({ required: z.literal(true), content }).optional(),
  responses: z.record(z.string().regex(/^(?:[1-5]\d\d|default)$/), response),
});
const openApi = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({
    title: z.string(),
    version: z.string(),
    description: z.string(),
    license: z.strictObject({ name: z.string(), identifier: z.string() }),
  }),
  servers: z.array(z.strictObject({ url: z.url() })),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post', 'patch', 'delete']), operation),
  ),
  components: z.strictObject({
    headers: z.record(z.string(), header),
    schemas: z.record(z.string().regex(/^[\w.-]+$/), jsonSchema),
    securitySchemes: z.strictObject({
      apiKey: z.strictObject({
        type: z.literal('http'),
        scheme: z.literal('bearer'),
        description: z.string(),
      }),
      session: z.strictObject({ type: z.literal('apiKey'), in: z.literal('cookie'), name: z.string() }),
    }),
  }),
});

describe('the OpenAPI document', () => {
  const api = new ApiDocument();

  it('has the shape of OpenAPI 3.1', () => {
    const parsed = openApi.safeParse(JSON.parse(JSON.stringify(api.document)));
    expect(parsed.error && z.prettifyError(parsed.error)).to.equal(undefined);
  });

  it('has an operation for each declaration, under a name of its own', () => {
    expect(api.operations.map(({ method, path }) => `${method} ${path}`)).to.have.members(
      ENDPOINTS.map(({ method, path }) => `${method} ${path}`),
    );
    expect(new Set(api.operations.map(({ operationId }) => operationId)).size).to.equal(ENDPOINTS.length);
  });

  it('sorts the operations into groups, each with a description and an operation', () => {
    const { paths, tags } = openApi.parse(JSON.parse(JSON.stringify(api.document)));
    const used = Object.values(paths).flatMap((methods) =>
      Object.values(methods).flatMap((one) => one?.tags ?? []),
    );
    expect([...new Set(used)]).to.have.members(tags.map(({ name }) => name));
  });

  it('refers only to parts that exist, and has no pattern that nobody can read', () => {
    const json = JSON.stringify(api.document);
    for (const [, kind = '', name = ''] of json.matchAll(/"#\/components\/(\w+)\/([\w.-]+)"/g))
      expect(api.document.components[kind], `${kind}/${name}`).to.include.keys(name);
    for (const [, pattern = ''] of json.matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g))
      expect(pattern.length).to.be.below(100);
  });

  for (const { path, method, parameters = [], requestBody, responses } of api.operations) {
    it(`${method} ${path}: its parameters are those of the path, its schemas compile, its examples fit`, () => {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).to.have.members(named);
      const contents = [requestBody, ...Object.values(responses)].flatMap((part) =>
        Object.values(part?.content ?? {}),
      );
      for (const { schema = {}, example } of contents) {
        if (example === undefined)
          expect(() => api.expectValid(schema, {}, '')).not.to.throw(/can't resolve/);
        else api.expectValid(schema, example, `example of ${method} ${path}`);
      }
    });
  }

  it('lists the problems of an endpoint under their statuses', () => {
    for (const endpoint of ENDPOINTS) {
      const { responses } =
        api.operations.find(({ operationId }) => operationId === endpoint.name) ?? expect.fail();
      const listed = Object.values(responses).flatMap(({ description }) =>
        [...description.matchAll(/^`([a-z0-9-]+)`:/gm)].map(([, kind]) => kind),
      );
      expect(listed).to.have.members(problemsOf(endpoint));
    }
  });

  it('uses only first path segments that no link can have', () => {
    for (const path of [...Object.keys(api.document.paths), '/docs', '/openapi.json']) {
      const [, segment = ''] = path.split('/');
      expect(isReserved(segment), path).to.equal(true);
      // A link made before its word was reserved goes first, so a route of that name must ask for it.
      expect(RESERVED_LATER, path).not.to.include(segment);
    }
  });

  it('is the same as docs/api.md (node scripts/api-page.ts writes the page)', () => {
    const page = readFileSync(join(REPOSITORY, 'docs/api.md'), 'utf8');
    const [, endpoints = ''] = page.split('## Endpoints\n');
    expect(endpoints.trim()).to.equal(describeEndpoints(ENDPOINTS));
  });
});
