import { z } from 'zod';
import { MAX_TAG_CHARACTERS, MAX_TAGS, MAX_TITLE_CHARACTERS } from '../shorten/own-fields.ts';
import { MAX_VISITS, ruleFields } from '../shorten/rule-fields.ts';
import type { ImportedTarget } from './outcome.ts';
import { faultOf, quote, type Fault } from './reasons.ts';

/* The values of single fields. A value that can be stored with a small change is changed, and noted. */

const CONTROLS = /\p{Cc}+/gu;
const WHOLE_NUMBER = /^\d{1,15}$/;
const REDIRECT_TYPES: readonly number[] = [301, 302, 307, 308];
/** As in requests. Targets are judged later. */
const RULES = ruleFields(z.string());

export type Read<Value> = { readonly value: Value } | { readonly fault: Fault };

export function readTitle(value: unknown, notes: string[]): Read<string> {
  if (typeof value !== 'string') return wrong('title', value, 'a text');
  let title = value.toWellFormed().replace(CONTROLS, ' ');
  if (title !== value) notes.push('title: line breaks and control characters became blanks');
  if (title.length > MAX_TITLE_CHARACTERS) {
    // Not between the halves of a character.
    title = title.slice(0, MAX_TITLE_CHARACTERS).replace(/\p{Surrogate}$/u, '');
    notes.push(`title: cut to ${MAX_TITLE_CHARACTERS} characters`);
  }
  return { value: title };
}

/** @param separator between the tags of a text; by default `|` and `,`. A text `["a","b"]` is a JSON list. */
export function readTags(value: unknown, separator: string | undefined, notes: string[]): Read<string[]> {
  const list = typeof value === 'string' ? splitTags(value, separator) : value;
  if (!Array.isArray(list) || !list.every((tag) => typeof tag === 'string'))
    return wrong('tags', value, 'a list of texts');
  const tags = [...new Set(list.map((tag) => tag.toWellFormed().replace(CONTROLS, ' ')))].filter(
    (tag) => tag !== '',
  );
  const fitting = tags.filter((tag) => tag.length <= MAX_TAG_CHARACTERS);
  for (const tag of tags.filter(({ length }) => length > MAX_TAG_CHARACTERS).slice(0, MAX_TAGS))
    notes.push(`tags: without ${quote(tag)}, which has more than ${MAX_TAG_CHARACTERS} characters`);
  if (fitting.length > MAX_TAGS) notes.push(`tags: the first ${MAX_TAGS} of ${fitting.length}`);
  return { value: fitting.slice(0, MAX_TAGS) };
}

function splitTags(text: string, separator: string | undefined): unknown {
  const list = text.startsWith('[') ? parseJson(text) : undefined;
  if (list !== undefined) return list;
  return text.split(separator ?? /[|,]/).map((tag) => tag.trim());
}

/** A whole number up to 15 digits. */
export function readCount(field: string, value: unknown): Read<number> {
  const text = typeof value === 'string' ? value.trim() : value;
  if (typeof text === 'number' && Number.isSafeInteger(text) && text >= 0) return { value: text };
  if (typeof text === 'string' && WHOLE_NUMBER.test(text)) return { value: Number(text) };
  return wrong(field, value, 'a whole number of 0 or more');
}

export function readFlag(field: string, value: unknown): Read<boolean> {
  const text = String(value).trim().toLowerCase();
  if (['true', '1', 'yes'].includes(text)) return { value: true };
  return ['false', '0', 'no'].includes(text) ? { value: false } : wrong(field, value, 'true or false');
}

export function readRedirectType(value: unknown): Read<number> {
  const type = Number(value);
  return REDIRECT_TYPES.includes(type)
    ? { value: type }
    : wrong('redirect_type', value, '301, 302, 307 or 308');
}

/** The targets by device, country and language, whose URLs are not judged here. */
export function readTargets(value: unknown): Read<ImportedTarget[]> {
  const list = typeof value === 'string' ? parseJson(value) : value;
  const parsed = RULES.targets.unwrap().unwrap().safeParse(list);
  if (parsed.success) return { value: parsed.data.map(({ when, longUrl }) => ({ when, long_url: longUrl })) };
  const [issue] = parsed.error.issues;
  const place = issue?.path.join('.') ?? '';
  const why = `${place === '' ? 'it' : place} ${issue?.message}`;
  return { fault: faultOf('value-type', 'targets', `${quote(value)}: ${why}`) };
}

/** How many visits a link may have in all: as in a request. */
export function readMaxVisits(value: unknown): Read<number> {
  const read = readCount('max_visits', value);
  if ('fault' in read || RULES.max_visits.safeParse(read.value).success) return read;
  return wrong('max_visits', value, `a whole number from 1 to ${MAX_VISITS}`);
}

/** How many visits a link has left, none included. */
export function readVisitsLeft(value: unknown): Read<number> {
  const read = readCount('visits_left', value);
  if ('fault' in read || read.value <= MAX_VISITS) return read;
  return wrong('visits_left', value, `a whole number from 0 to ${MAX_VISITS}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function wrong(field: string, value: unknown, right: string): { readonly fault: Fault } {
  return { fault: faultOf('value-type', field, `${quote(value)} is not ${right}`) };
}
