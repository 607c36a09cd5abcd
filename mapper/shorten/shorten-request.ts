import { z } from 'zod';
import { whyAliasRefused } from '../../db/keyspace/alias.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { Link } from '../../db/urls/link.ts';
import { invalidInput, mustBe } from '../http/field-errors.ts';
import { parseExpiration } from './expiration.ts';
import { tags, title } from './own-fields.ts';
import type { RepeatableRequest } from './repeatable.ts';
import { parseTargetUrl, type TargetRules } from './target-url.ts';

/** A request for a new link, every field checked. */
export interface ShortenRequest extends Pick<Link, 'longUrl' | 'expiresAt'> {
  readonly alias: string | undefined;
  /** Absent for an anonymous link. */
  readonly own?: OwnFields;
  /** Whether it names a field that only own links have. Then its answer is the whole link. */
  readonly namesOwn?: boolean;
}

/** What a link has that somebody owns. */
export type OwnFields = Pick<OwnedRow, 'userId' | 'title' | 'tags' | 'rules'>;

export type ParseShortenRequest = (body: Readonly<Record<string, unknown>>) => ShortenRequest;

/**
 * Parses the bytes of a body. One that asks for the link that there may be is left as it is.
 * @throws Problem
 */
export type ReadShortenRequest = (body: Buffer) => ShortenRequest | RepeatableRequest;

/** Like {@link ReadShortenRequest}, for somebody who is known. */
export type ReadOwnRequest = (body: Buffer, userId: bigint) => ShortenRequest | RepeatableRequest;

/** Parses the body of somebody who is known. @throws Problem */
export type ParseOwnRequest = (body: Readonly<Record<string, unknown>>, userId: bigint) => ShortenRequest;

/** A link that its owner gives neither a title nor tags. */
export function ownedBy(userId: bigint): OwnFields {
  return { userId, title: null, tags: [], rules: {} };
}

/** Like {@link createShortenRequestParser}, with the fields that only own links have. */
export function createOwnRequestParser(rules: TargetRules, nowMs: () => number): ParseOwnRequest {
  const schema = createSchema(rules, nowMs).extend({ title: title.nullish(), tags: tags.nullish() });
  return (body, userId) => {
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw invalidInput(parsed.error);
    const { long_url: longUrl, custom_alias: alias, expiration_date: expiresAt } = parsed.data;
    const own = {
      ...ownedBy(userId),
      title: parsed.data.title ?? null,
      tags: [...new Set(parsed.data.tags)],
    };
    const namesOwn = parsed.data.title !== undefined || parsed.data.tags !== undefined;
    return { longUrl, alias: alias ?? undefined, expiresAt: expiresAt ?? null, own, namesOwn };
  };
}

/** @returns a parser for the body of `POST /urls`, which throws a 422 that names every invalid field */
export function createShortenRequestParser(rules: TargetRules, nowMs: () => number): ParseShortenRequest {
  const schema = createSchema(rules, nowMs);
  return (body) => {
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw invalidInput(parsed.error);
    const { long_url: longUrl, custom_alias: alias, expiration_date: expiresAt } = parsed.data;
    return { longUrl, alias: alias ?? undefined, expiresAt: expiresAt ?? null };
  };
}

function createSchema(rules: TargetRules, nowMs: () => number) {
  const text = z.string({ error: mustBe('a string') });
  return z.strictObject({
    long_url: text.transform((value, context) => {
      const target = parseTargetUrl(value, rules);
      if (target.ok) return target.href;
      context.addIssue(target.reason);
      return z.NEVER;
    }),
    custom_alias: text
      .superRefine((value, context) => {
        const reason = whyAliasRefused(value);
        if (reason !== undefined) context.addIssue(reason);
      })
      .nullish(),
    expiration_date: text
      .transform((value, context) => {
        const expiration = parseExpiration(value, nowMs());
        if (expiration.ok) return expiration.at;
        context.addIssue(expiration.reason);
        return z.NEVER;
      })
      .nullish(),
    find_if_exists: z.boolean({ error: mustBe('true or false') }).nullish(),
  });
}
