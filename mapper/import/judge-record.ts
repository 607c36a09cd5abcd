import type { Field, Format } from './formats/format.ts';
import type { ImportedLink, ImportedTarget } from './outcome.ts';
import { codesOf, judgeCode, type CodeRules } from './read-code.ts';
import type { RecordFields } from './read-fields.ts';
import { readTime, type TimeRules } from './read-time.ts';
import {
  readCount,
  readFlag,
  readMaxVisits,
  readRedirectType,
  readTags,
  readTargets,
  readTitle,
  readVisitsLeft,
  type Read,
} from './read-values.ts';
import { faultOf, quote, type Fault } from './reasons.ts';

/** Decides where links may point: the rules of `POST /urls`. */
export type JudgeTarget = (
  url: string,
) => { readonly ok: true; readonly href: string } | { readonly ok: false; readonly reason: string };

export interface ImportRules extends CodeRules, TimeRules {
  readonly judgeTarget: JudgeTarget;
  /** Now, in ms since 1970: no link was made later. */
  readonly nowMs: number;
}

/** Of one record. Each becomes a link, and batches are counted in links. */
const MAX_CODES = 20;

/** One link of a record, or why it is none. */
export type Judgement = { readonly code: string | null; readonly domain: string | undefined } & (
  { readonly link: ImportedLink; readonly notes: readonly string[] } | { readonly fault: Fault }
);

/**
 * Decides what becomes of one record: one link for each of its codes, or why there is none. A link never
 * says less than its record without a note, except for the fields that `RecordFields.leftOut` names.
 */
export function judgeRecord(fields: RecordFields, format: Format, rules: ImportRules): Judgement[] {
  const find = (name: string): unknown => fields.find(name);
  const codes = codesOf(format, find, (field) => fields.take(field));
  if (codes.length > MAX_CODES) {
    const message = `the record has ${codes.length} codes, of which at most ${MAX_CODES} are taken`;
    return [{ code: null, domain: codes[0]?.domain, fault: faultOf('many-codes', 'code', message) }];
  }
  const notes: string[] = [];
  const refusal = format.refuse?.(find);
  const body = refusal === undefined ? readBody(fields, format, { rules, notes }) : { fault: refusal };
  return codes.map((given) => {
    const { domain } = given;
    const code = given.code === '' ? null : given.code;
    if ('fault' in body) return { code, domain, fault: body.fault };
    const read = judgeCode(given, rules);
    if ('fault' in read) return { code, domain, fault: read.fault };
    return { code, domain, link: { code: read.code, former_code: read.former, ...body.value }, notes };
  });
}

interface Reading {
  readonly rules: ImportRules;
  readonly notes: string[];
}

type Body = Omit<ImportedLink, 'code' | 'former_code'>;

/** All but the code. The first fault ends it. */
function readBody(fields: RecordFields, format: Format, reading: Reading): Read<Body> {
  try {
    return { value: new BodyReader(fields, format, reading).read() };
  } catch (error) {
    if (error instanceof FieldFault) return { fault: error.fault };
    throw error;
  }
}

/** Ends the reading of a record. Never leaves this file. */
class FieldFault extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

class BodyReader {
  readonly #fields: RecordFields;
  readonly #format: Format;
  readonly #rules: ImportRules;
  readonly #notes: string[];

  constructor(fields: RecordFields, format: Format, { rules, notes }: Reading) {
    this.#fields = fields;
    this.#format = format;
    this.#rules = rules;
    this.#notes = notes;
  }

  read(): Body {
    return {
      long_url: this.#target('long_url', this.#fields.take('long_url')),
      created_at: this.#createdAt(),
      expiration_date: this.#time('expiration_date'),
      valid_from: this.#time('valid_from'),
      title: this.#field('title', null, (value) => readTitle(value, this.#notes)),
      tags: this.#field('tags', [], (value) => readTags(value, this.#format.tagSeparator, this.#notes)),
      redirect_type: this.#field('redirect_type', 302, readRedirectType),
      forward_query: this.#flag('forward_query'),
      max_visits: this.#field('max_visits', null, readMaxVisits),
      visits_left: this.#field('visits_left', null, readVisitsLeft),
      expired_url: this.#field('expired_url', null, (value) => ({
        value: this.#target('expired_url', value),
      })),
      noindex: this.#flag('noindex'),
      disabled: this.#flag('disabled'),
      targets: this.#targets(),
      clicks: this.#clicks(),
    };
  }

  #field<Value>(field: Field, otherwise: Value, read: (value: unknown) => Read<Value>): Value {
    const value = this.#fields.take(field);
    return value === undefined ? otherwise : valueOf(read(value));
  }

  #flag(field: Field): boolean {
    return this.#field(field, false, (value) => readFlag(field, value));
  }

  #target(field: Field, value: unknown): string {
    if (value === undefined) throw new FieldFault(faultOf('no-target', field, 'the record has no target'));
    if (typeof value !== 'string')
      throw new FieldFault(faultOf('value-type', field, `${quote(value)} is not a text`));
    const judged = this.#rules.judgeTarget(value);
    if (judged.ok) return judged.href;
    throw new FieldFault(faultOf('bad-target', field, `${quote(value)} ${judged.reason}`));
  }

  #targets(): ImportedTarget[] {
    const value =
      this.#format.readTargets?.((name) => this.#fields.find(name)) ?? this.#fields.take('targets');
    if (value === undefined) return [];
    const targets = valueOf(readTargets(value));
    if (
      this.#format.readTargets !== undefined &&
      new Set(targets.flatMap(({ when }) => Object.keys(when))).size > 1
    )
      this.#notes.push('targets: those by device come before those by country');
    return targets.map(({ when, long_url: url }) => ({ when, long_url: this.#target('targets', url) }));
  }

  #createdAt(): string | null {
    const at = this.#time('created_at');
    if (at === null || Date.parse(at) <= this.#rules.nowMs) return at;
    throw new FieldFault(faultOf('no-date', 'created_at', `${quote(at)} is in the future`));
  }

  #time(field: Field): string | null {
    const value = this.#fields.take(field);
    if (value === undefined) return null;
    const read = readTime(field, value, this.#rules);
    if ('fault' in read) throw new FieldFault(read.fault);
    if (read.at === null) this.#notes.push(`${field}: ${quote(value)} says that there is none`);
    return read.at?.toISOString() ?? null;
  }

  #clicks(): ImportedLink['clicks'] {
    const own = this.#format.readVisits?.((name) => this.#fields.find(name));
    const humans = own?.humans ?? this.#fields.take('humans') ?? this.#fields.take('visits') ?? 0;
    const bots = own?.bots ?? this.#fields.take('bots') ?? 0;
    return { humans: valueOf(readCount('clicks', humans)), bots: valueOf(readCount('clicks', bots)) };
  }
}

function valueOf<Value>(read: Read<Value>): Value {
  if ('fault' in read) throw new FieldFault(read.fault);
  return read.value;
}
