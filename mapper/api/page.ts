import { z } from 'zod';
import { PROBLEMS, type ProblemKind } from '../http/problem.ts';
import type { DeclaredContents } from './content.ts';
import type { Endpoint } from './endpoint.ts';
import { GROUPS } from './groups.ts';
import { FOUND, PART } from './openapi.ts';
import { problemsOf } from './problems-of.ts';

const WIDTH = 110;

/** The part of docs/api.md that describes the endpoints, in Markdown. A test compares it with the page. */
export function describeEndpoints(endpoints: readonly Endpoint[]): string {
  const groups = Object.entries(GROUPS).map(([group, purpose]) => [
    `### ${group}`,
    fold(purpose),
    ...endpoints.filter((one) => one.group === group).map(describe),
  ]);
  return groups.flat().join('\n\n');
}

function describe(endpoint: Endpoint): string {
  const { method, path, summary, description, query, body, bodyTypes, conditional } = endpoint;
  const { repeatable, finds, hasRanges, obeys, status, means, answerTypes, example, exampleAnswer } =
    endpoint;
  const problems = [...Map.groupBy(problemsOf(endpoint), (kind) => PROBLEMS[kind].status)].map(listProblems);
  return [
    `#### ${method} ${path}`,
    fold(`${summary}. ${description ?? ''}`),
    [
      ...item(`Who: ${whoMay(endpoint)}.`),
      ...(query === undefined ? [] : item(`Query, all optional: ${listFields(query)}.`)),
      ...(body === undefined ? [] : item(`${describeBody(body)}.`)),
      ...(bodyTypes === undefined ? [] : item(`Body as ${listTypes(bodyTypes)}.`)),
      ...(conditional === undefined ? [] : item(`Obeys \`${CONDITIONS[conditional]}\`.`)),
      ...(obeys === undefined ? [] : item(`Obeys ${listFields(obeys)}.`)),
      ...(repeatable === undefined ? [] : item('Obeys `Idempotency-Key`.')),
      ...item(`${status}: ${means}.${answerTypes === undefined ? '' : ` As ${listTypes(answerTypes)}.`}`),
      ...(hasRanges === true ? item(`206: ${PART}.`) : []),
      ...(repeatable === 'request' ? item(`200: ${FOUND}.`) : []),
      ...(finds === undefined ? [] : item(`200: ${finds}.`)),
      ...item(`Problems: ${problems.length === 0 ? 'none of its own' : problems.join('; ')}.`),
    ].join('\n'),
    ...exampleBlocks('A request', bodyTypes),
    ...exampleBlocks('The answer', answerTypes),
    ...(example === undefined ? [] : ['A request:', codeBlock(example)]),
    ...(exampleAnswer === undefined ? [] : ['The answer:', codeBlock(exampleAnswer)]),
  ].join('\n\n');
}

function listTypes(types: DeclaredContents): string {
  return Object.entries(types)
    .map(([type, { means }]) => `\`${type}\` (${means})`)
    .join(', or as ');
}

/** The JSON of the first type that has an example. */
function exampleBlocks(title: string, types: DeclaredContents = {}): string[] {
  const found = Object.values(types).find(({ example }) => typeof example === 'object');
  return found === undefined ? [] : [`${title}:`, codeBlock(found.example)];
}

const CONDITIONS = { read: 'If-None-Match', change: 'If-Match' };

interface Field {
  readonly description?: string;
  readonly enum?: readonly string[];
}

/** The fields of a body: those that it must have come first. */
function describeBody(schema: z.ZodType): string {
  const { required = [] } = toJsonSchema(schema);
  const needed = listFields(schema, (name) => required.includes(name));
  const optional = listFields(schema, (name) => !required.includes(name));
  if (needed === '') return `Body, all optional: ${optional}`;
  return `Body: ${needed}${optional === '' ? '' : `; optional: ${optional}`}`;
}

/** The names of the fields, each with what its declaration says about it. */
function listFields(schema: z.ZodType, isListed: (name: string) => boolean = () => true): string {
  return Object.entries(toJsonSchema(schema).properties ?? {})
    .filter(([name]) => isListed(name))
    .map(([name, { description, enum: values }]) => {
      const says = [values?.join(', '), description].filter((part) => part !== undefined);
      return says.length === 0 ? `\`${name}\`` : `\`${name}\` (${says.join('; ')})`;
    })
    .join(', ');
}

interface ObjectSchema {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Field>>;
}

function toJsonSchema(schema: z.ZodType): ObjectSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as ObjectSchema;
}

function whoMay({ access, method }: Endpoint): string {
  if (access === 'anyone') return 'anybody';
  if (typeof access === 'string') return `a session, or a key with \`${access}\``;
  const owner = `with a session, or a key with \`${access.optional}\``;
  return method === 'POST' ? `anybody; ${owner}, the link has an owner` : `anybody; as an owner ${owner}`;
}

function listProblems([status, kinds]: readonly [number, readonly ProblemKind[]]): string {
  return `${status} ${kinds.map((kind) => `\`${kind}\``).join(', ')}`;
}

function codeBlock(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2).replaceAll(
    /\[\s+("[^"]*"(?:,\s+"[^"]*")*)\s+\]/g,
    (_, texts: string) => `[${texts.replaceAll(/,\s+/g, ', ')}]`,
  );
  return ['```json', text, '```'].join('\n');
}

function item(text: string): string[] {
  return fold(text, WIDTH - 2)
    .split('\n')
    .map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`));
}

/** Breaks a text into lines at blanks. */
function fold(text: string, width = WIDTH): string {
  const lines = [''];
  for (const word of text.trim().split(/ +/)) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
