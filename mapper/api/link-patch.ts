import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { invalidFields, type FieldError } from '../http/problem.ts';
import type { LinkPatch } from '../links/judge-change.ts';
import { tags, title } from '../shorten/own-fields.ts';
import { MAX_TARGETS, ruleFields, toRuleChange, whyTargetsTooLong } from '../shorten/rule-fields.ts';
import { parseTargetUrl, type TargetRules } from '../shorten/target-url.ts';
import { expirationDate, longUrl } from './link-fields.ts';

/** What `PATCH` may change of a link. */
export const patchBody = z.strictObject({
  long_url: longUrl.optional(),
  expiration_date: expirationDate.optional(),
  title: title.nullish(),
  tags: tags.nullish(),
  disabled: z.boolean({ error: mustBe('true or false') }).nullish(),
  ...ruleFields(longUrl),
});

/** A change whose targets are not judged, and whose password is not hashed. */
export interface GivenPatch extends Omit<LinkPatch, 'passwordHash' | 'blocked'> {
  readonly password?: string | null;
}

export function toPatch(body: z.output<typeof patchBody>): GivenPatch {
  const { long_url, expiration_date, title, tags, disabled, password } = body;
  return {
    ...(long_url !== undefined && { longUrl: long_url }),
    ...(expiration_date !== undefined && { expiresAt: expiration_date }),
    ...(title !== undefined && { title }),
    ...(tags !== undefined && { tags }),
    ...(disabled !== undefined && { disabled }),
    ...(password !== undefined && { password }),
    ...toRuleChange(body),
  };
}

/** What is wrong with the targets in a body of which other fields are wrong. */
export function faultsOfTargets(body: unknown, rules: TargetRules): FieldError[] {
  const { long_url, expired_url, targets } = Object(body) as Readonly<Record<string, unknown>>;
  const others = Array.isArray(targets) ? (targets as unknown[]) : [];
  const given: [string, unknown][] = [
    ['long_url', long_url],
    ['expired_url', expired_url],
    ...others
      // More of them are refused together.
      .slice(0, MAX_TARGETS)
      .map((target, at): [string, unknown] => [
        `targets.${at}.long_url`,
        (target as { long_url?: unknown } | null)?.long_url,
      ]),
  ];
  return given.flatMap(([field, url]) => {
    const target = typeof url === 'string' ? parseTargetUrl(url, rules) : undefined;
    return target?.ok === false ? [{ field, reason: target.reason }] : [];
  });
}

/**
 * Judges the targets of a change, as those of a new link.
 * @returns it with their hrefs.
 * @throws Problem 422
 */
export function judgeTargets<Patch extends LinkPatch>(patch: Patch, rules: TargetRules): Patch {
  const faults: FieldError[] = [];
  const judge = (field: string, url: string): string => {
    const target = parseTargetUrl(url, rules);
    if (target.ok) return target.href;
    faults.push({ field, reason: target.reason });
    return url;
  };
  const { longUrl: url, expiredUrl, targets } = patch;
  const judged = {
    ...patch,
    ...(url !== undefined && { longUrl: judge('long_url', url) }),
    ...(typeof expiredUrl === 'string' && { expiredUrl: judge('expired_url', expiredUrl) }),
    ...(targets && {
      targets: targets.map(({ when, longUrl: other }, at) => ({
        when,
        longUrl: judge(`targets.${at}.long_url`, other),
      })),
    }),
  };
  const tooLong = whyTargetsTooLong(judged.targets ?? []);
  if (tooLong !== undefined) faults.push({ field: 'targets', reason: tooLong });
  if (faults.length > 0) throw invalidFields(faults);
  return judged;
}
