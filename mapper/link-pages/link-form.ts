import { hadPassword, LOST_PASSWORD } from '../pages/password-field.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { readTargets, valuesOfTargets } from './target-rows.ts';

/*
 * The form of a link: from its fields to those of the API, and back. What the fields may have is not checked
 * here: the API's own schemas do that.
 */

/** The fields of the API with the values of a form. */
export type GivenFields = Readonly<Record<string, unknown>>;

/** What the fields of the form show. Their names are those of the API. */
export type FormValues = Readonly<Record<string, string | readonly string[]>>;

export const NEW_LINK: FormValues = { redirect_type: '302' };

/** Those of a form that tell what it is about; nobody fills them in. */
export const ABOUT = { version: 'version', shown: 'shown' } as const;

export function valuesOf(link: WholeLink): FormValues {
  return {
    title: link.title ?? '',
    // Each has a box, because it may contain a comma.
    kept_tags: link.tags,
    expiration_date: toLocalTime(link.expiration_date),
    valid_from: toLocalTime(link.valid_from),
    ...(link.noindex && { noindex: 'true' }),
    ...(link.disabled && { disabled: 'true' }),
    ...(link.image === null && {
      long_url: link.long_url,
      expired_url: link.expired_url ?? '',
      redirect_type: String(link.redirect_type),
      max_visits: link.max_visits === null ? '' : String(link.max_visits),
      ...(link.forward_query && { forward_query: 'true' }),
      ...valuesOfTargets(link.targets),
    }),
  };
}

/** Values as a form sends them. */
export function toForm(values: FormValues): URLSearchParams {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    for (const one of typeof value === 'string' ? [value] : value) form.append(name, one);
  return form;
}

/** A link without a type of its own stays a plain one, which costs less to follow. */
const USUAL_TYPE = 302;

/** The body of `POST /urls` for a form. Fields that nobody has filled in are absent. */
export function newLinkFields(form: URLSearchParams): GivenFields {
  const { disabled: _, ...fields } = allFields(form);
  const isGiven = ([name, value]: [string, unknown]): boolean =>
    name === 'long_url' || !(value === null || value === false || value === USUAL_TYPE || isEmptyList(value));
  return Object.fromEntries(Object.entries(fields).filter(isGiven));
}

/**
 * The body of `PATCH /urls/{key}` for a form: the fields that differ from those that the form showed. So it
 * leaves alone what nobody has changed in it, and what it does not have.
 */
export function changedFields(form: URLSearchParams): GivenFields {
  const shown = allFields(shownBy(form));
  const { custom_alias: _, find_if_exists: __, ...fields } = allFields(form);
  const isChanged = ([name, value]: [string, unknown]): boolean => !isSame(value, shown[name]);
  return Object.fromEntries(Object.entries(fields).filter(isChanged));
}

/**
 * What a form shows again when somebody else has changed the link meanwhile: the link as it is now, with what
 * was changed in the form.
 */
export function rebased(form: URLSearchParams, link: WholeLink): FormValues {
  const shown = shownBy(form);
  const groups = Map.groupBy(new Set([...shown.keys(), ...form.keys()]), groupOf);
  const own: [string, string | readonly string[]][] = [];
  const dropped = new Set<string>();
  const isReplaced = (form.get('password') ?? '') !== '';
  for (const [group, names] of groups) {
    if (
      group in ABOUT ||
      group === 'password' ||
      (group === 'remove_password' && isReplaced) ||
      names.every((name) => isSame(form.getAll(name), shown.getAll(name)))
    )
      continue;
    dropped.add(group);
    for (const name of names) own.push([name, form.getAll(name)]);
  }
  const now = Object.entries(valuesOf(link)).filter(([name]) => !dropped.has(groupOf(name)));
  return Object.fromEntries([...now, ...own, ...(hadPassword(form) ? Object.entries(LOST_PASSWORD) : [])]);
}

/** All targets belong together: a row of one editor means nothing among those of another. */
function groupOf(name: string): string {
  return name.split('.')[0] ?? '';
}

function shownBy(form: URLSearchParams): URLSearchParams {
  return new URLSearchParams(form.get(ABOUT.shown) ?? '');
}

function allFields(form: URLSearchParams): GivenFields {
  const text = (name: string): string => (form.get(name) ?? '').trim();
  const orNull = (name: string): string | null => trimmed(form.get(name));
  const isOn = (name: string): boolean => form.get(name) === 'true';
  const password = form.get('password') ?? '';
  return {
    long_url: text('long_url'),
    custom_alias: orNull('custom_alias'),
    title: orNull('title'),
    tags: [...new Set([...form.getAll('kept_tags'), ...splitTags(text('tags'))])].toSorted(),
    expiration_date: fromLocalTime(text('expiration_date')),
    valid_from: fromLocalTime(text('valid_from')),
    expired_url: orNull('expired_url'),
    redirect_type: toNumber(text('redirect_type')) ?? USUAL_TYPE,
    max_visits: toNumber(text('max_visits')),
    forward_query: isOn('forward_query'),
    noindex: isOn('noindex'),
    disabled: isOn('disabled'),
    find_if_exists: isOn('find_if_exists'),
    targets: readTargets(form),
    ...(isOn('remove_password') && { password: null }),
    ...(password !== '' && { password }),
  };
}

/** The value of a control for times: `2026-11-28T02:37`, in UTC, with seconds only where there are some. */
function toLocalTime(time: string | null): string {
  return (time ?? '').replace(/(?::00)?(?:\.000)?Z$/, '');
}

/** A text that is no time is left as it is: its check says what is wrong. */
function fromLocalTime(text: string): string | null {
  if (text === '') return null;
  const [, upToSeconds, fraction = ''] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(\.\d{1,3})?$/.exec(text) ?? [];
  if (upToSeconds === undefined) return text;
  const whole = upToSeconds.length === 16 ? `${upToSeconds}:00` : upToSeconds;
  return `${whole}.${fraction.slice(1).padEnd(3, '0')}Z`;
}

/** A text that is no number is left as it is, like a time. */
function toNumber(text: string): number | string | null {
  if (text === '') return null;
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Separated by commas. */
export function splitTags(text: string): string[] {
  return text
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
}

function trimmed(text: string | null): string | null {
  const inside = text?.trim() ?? '';
  return inside === '' ? null : inside;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** Values of JSON, whose fields are written in the same order everywhere here. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
