import { z } from 'zod';
import { whyAliasRefused } from '../../db/keyspace/alias.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { Link } from '../../db/urls/link.ts';
import { invalidInput, mustBe } from '../http/field-errors.ts';
import { parseExpiration } from './expiration.ts';
import { parseTargetUrl, type TargetRules } from './target-url.ts';

/** A request for a new link, every field checked. */
export interface ShortenRequest extends Pick<Link, 'longUrl' | 'expiresAt'> {
  readonly alias: string | undefined;
  /** Absent for an anonymous link. */
  readonly own?: OwnFields;
}

/** What a link has that somebody owns. */
export type OwnFields = Pick<OwnedRow, 'userId' | 'title' | 'tags' | 'rules'>;

export type ParseShortenRequest = (body: Readonly<Record<string, unknown>>) => ShortenRequest;

/** Parses the bytes of a body. @throws Problem */
export type ReadShortenRequest = (body: Buffer) => ShortenRequest;

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
  });
}
