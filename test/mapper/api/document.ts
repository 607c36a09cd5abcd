import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import { createOpenApi } from '../../../mapper/api/openapi.ts';
import type { Answer } from '../client.ts';

interface Content {
  readonly schema?: object;
  readonly example?: unknown;
}

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Content>> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, object>>>>;
}

/** Statuses of bad HTTP and of faults, which the document sums up as `default`. */
const DEFAULTS = [408, 417, 431, 500, 501];

/** What the schema of a content type is about. Of text and bytes it says nothing. */
function valuesOf(type: string, { text }: Answer): unknown[] {
  if (/[/+]json$/.test(type)) return [JSON.parse(text)];
  if (type !== 'application/x-ndjson') return [];
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

/** The OpenAPI document, and the check of answers against it. */
export class ApiDocument {
  readonly document: Document;
  /** What was seen so far: `createKey 201`. */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #validators = new Map<object, ValidateFunction>();

  constructor(document?: unknown) {
    this.document = (document ??
      createOpenApi(ENDPOINTS, {
        publicUrl: 'https://go.example',
        cookieName: '__Host-keymill',
      })) as Document;
    this.#ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    for (const format of ['email', 'password', 'uri']) this.#ajv.addFormat(format, true);
    this.#ajv.addSchema({ $id: 'document', ...this.document });
  }

  get operations(): readonly (Operation & { readonly method: string; readonly path: string })[] {
    return Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        path,
        method: method.toUpperCase(),
      })),
    );
  }

  /** Asserts that an answer to a request for an endpoint is one that the document describes. */
  check(method: string, path: string, answer: Answer): void {
    const operation = this.#find(method, path);
    if (operation === undefined || DEFAULTS.includes(answer.status)) return;
    const response = operation.responses[answer.status];
    const what = `${method} ${path} → ${answer.status} ${answer.text}`;
    expect(response, `not in the document: ${what}`).not.to.equal(undefined);
    this.seen.add(`${operation.operationId} ${answer.status}`);
    const contents = response?.content ?? {};
    if (Object.keys(contents).length === 0) {
      expect(answer.text, what).to.equal('');
      return;
    }
    const type = answer.headers['content-type']?.split(';')[0] ?? '';
    expect(Object.keys(contents), what).to.include(type);
    expect(answer.headers['x-request-id'], what).to.be.a('string');
    const { schema = {} } = contents[type] ?? {};
    for (const value of valuesOf(type, answer)) this.expectValid(schema, value, what);
    if (type === 'application/problem+json')
      expect(response?.description, what).to.include(
        `\`${String(answer.json()['type']).split(':').at(-1)}\``,
      );
  }

  /** Asserts that a value fits a schema of the document. */
  expectValid(schema: object, value: unknown, what: string): void {
    const validate = this.#validatorOf(schema);
    const isValid = validate(value);
    expect(isValid, `${what}: ${JSON.stringify(validate.errors)}`).to.equal(true);
  }

  #validatorOf(schema: object): ValidateFunction {
    const found = this.#validators.get(schema);
    if (found !== undefined) return found;
    // References of the document point to its root.
    const rooted = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object;
    const validate = this.#ajv.compile(rooted);
    this.#validators.set(schema, validate);
    return validate;
  }

  #find(method: string, path: string): Operation | undefined {
    const [pathname = ''] = path.split('?');
    const found = this.operations.filter((operation) =>
      new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
    );
    // `/urls/bulk` is no link, also where a link has the method and it has not.
    const exact = found.filter(({ path: declared }) => declared === pathname);
    return (exact.length > 0 ? exact : found).find((operation) => operation.method === method);
  }
}
