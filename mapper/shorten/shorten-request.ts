import { z } from 'zod';
import { whyAliasRefused } from '../../db/keyspace/alias.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { changeRules, isNeverValid } from '../../db/own-links/rule-change.ts';
import type { LinkRules } from '../../db/urls/link-rules.ts';
import type { Link } from '../../db/urls/link.ts';
import { invalidInput, mustBe } from '../http/field-errors.ts';
import { invalidFields } from '../http/problem.ts';
import { parseExpiration } from './expiration.ts';
import { tags, title } from './own-fields.ts';
import type { RepeatableRequest } from './repeatable.ts';
import { NOT_BEFORE_EXPIRY, ruleFields, toRuleChange } from './rule-fields.ts';
import { parseTargetUrl, type TargetRules } from './target-url.ts';
import { timeField } from './time-field.ts';

/** A request for a new link, every field checked, which can be bound. */
export interface ShortenRequest extends Pick<Link, 'longUrl' | 'expiresAt'> {
  readonly alias: string | undefined;
  /** Absent for a plain link that nobody owns. */
  readonly own?: OwnFields;
  /** Whether it names a field that plain links do not have. Then its answer is the whole link. */
  readonly isWhole?: boolean;
  readonly password?: undefined;
}

/** A request that must not be bound yet: {@link prepareRequest} hashes its password. */
export interface ProtectedRequest extends Omit<ShortenRequest, 'password'> {
  readonly own: OwnFields;
  readonly password: string;
}

export type ParsedRequest = ShortenRequest | ProtectedRequest;

/** What a link has that somebody owns, or that has rules. */
export type OwnFields = Pick<OwnedRow, 'userId' | 'title' | 'tags' | 'rules'>;

/** Parses the body of `POST /urls`. @param userId null: nobody who is known. @throws Problem 422 */
export type ParseShortenRequest = (
  body: Readonly<Record<string, unknown>>,
  userId: bigint | null,
) => ParsedRequest;

/**
 * Parses a body. One that asks for the link that there may be is left as it is.
 * @param body its bytes, one character each
 * @throws Problem
 */
export type ReadShortenRequest = (body: string) => ParsedRequest | RepeatableRequest;

/** Like {@link ReadShortenRequest}, for somebody who is known. */
export type ReadOwnRequest = (body: string, userId: bigint) => ParsedRequest | RepeatableRequest;

/** Makes a request ready to be bound. @throws Problem 503 when too many passwords wait */
export type PrepareRequest = (request: ParsedRequest) => Promise<ShortenRequest>;

/** A link that its owner gives neither a title nor tags nor rules. */
export function ownedBy(userId: bigint): OwnFields {
  return { userId, title: null, tags: [], rules: {} };
}

/** @returns a parser for the body of `POST /urls`, which throws a 422 that names every invalid field */
export function createShortenRequestParser(rules: TargetRules, nowMs: () => number): ParseShortenRequest {
  const fields = createFields(rules, nowMs);
  const ofOwner = z.strictObject({ ...fields, title: title.nullish(), tags: tags.nullish() });
  const ofNobody = z.strictObject({ ...fields, title: needsOwner(), tags: needsOwner() });
  return (body, userId) => {
    const parsed = (userId === null ? ofNobody : ofOwner).safeParse(body);
    if (!parsed.success) throw invalidInput(parsed.error);
    return toRequest(parsed.data, userId);
  };
}

/** Hashes the password of a link with this owner; null: nobody. @throws Problem 503 when too many wait */
export type HashPassword = (password: string, ownerId: bigint | null) => Promise<string>;

export function createPreparer(hash: HashPassword): PrepareRequest {
  return async (request) => {
    if (request.password === undefined) return request;
    const { password, own, ...others } = request;
    const passwordHash = await hash(password, own.userId);
    return { ...others, own: { ...own, rules: { ...own.rules, passwordHash } } };
  };
}

type Fields = z.output<z.ZodObject<ReturnType<typeof createFields>>> & {
  readonly title?: string | null | undefined;
  readonly tags?: string[] | null | undefined;
};

/** Only a request with none of the others is answered with five fields. */
const PLAIN_FIELDS: ReadonlySet<string> = new Set(['long_url', 'custom_alias', 'expiration_date']);

function toRequest(fields: Fields, userId: bigint | null): ParsedRequest {
  const { long_url: longUrl, custom_alias: alias, expiration_date: expiresAt, password } = fields;
  const rules = changeRules({}, toRuleChange(fields));
  const request = {
    longUrl,
    alias: alias ?? undefined,
    expiresAt: expiresAt ?? null,
    isWhole: Object.keys(fields).some((name) => !PLAIN_FIELDS.has(name)),
  };
  if (isNeverValid({ ...request, rules })) throw invalidFields([NOT_BEFORE_EXPIRY]);
  const own = { userId, title: fields.title ?? null, tags: [...new Set(fields.tags)], rules };
  if (typeof password === 'string') return { ...request, own, password };
  return userId === null && hasNone(rules) ? request : { ...request, own };
}

function hasNone(rules: LinkRules): boolean {
  return Object.keys(rules).length === 0;
}

function needsOwner() {
  return z.null({ error: 'is only for links with an owner: send an API key' }).optional();
}

function createFields(rules: TargetRules, nowMs: () => number) {
  const text = z.string({ error: mustBe('a string') });
  const target = text.transform((value, context) => {
    const parsed = parseTargetUrl(value, rules);
    if (parsed.ok) return parsed.href;
    context.addIssue(parsed.reason);
    return z.NEVER;
  });
  return {
    long_url: target,
    custom_alias: text
      .superRefine((value, context) => {
        const reason = whyAliasRefused(value);
        if (reason !== undefined) context.addIssue(reason);
      })
      .nullish(),
    expiration_date: timeField((value) => parseExpiration(value, nowMs())).nullish(),
    ...ruleFields(target),
    find_if_exists: z.boolean({ error: mustBe('true or false') }).nullish(),
  };
}
