import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { invalidFields } from '../http/problem.ts';
import type { LinkPatch } from '../links/judge-change.ts';
import { tags, title } from '../shorten/own-fields.ts';
import { parseTargetUrl, type TargetRules } from '../shorten/target-url.ts';
import { expirationDate, longUrl } from './link-fields.ts';

/** What `PATCH` may change of a link. */
export const patchBody = z.strictObject({
  long_url: longUrl.optional(),
  expiration_date: expirationDate.optional(),
  title: title.nullable().optional(),
  tags: tags.nullable().optional(),
  disabled: z
    .boolean({ error: mustBe('true or false') })
    .nullable()
    .optional(),
});

export function toPatch(body: z.output<typeof patchBody>): LinkPatch {
  const { long_url, expiration_date, title, tags, disabled } = body;
  return {
    ...(long_url !== undefined && { longUrl: long_url }),
    ...(expiration_date !== undefined && { expiresAt: expiration_date }),
    ...(title !== undefined && { title }),
    ...(tags !== undefined && { tags }),
    ...(disabled !== undefined && { disabled }),
  };
}

/** Judges the target of a change, as that of a new link. @returns it with its href. @throws Problem 422 */
export function judgeTargets(patch: LinkPatch, rules: TargetRules): LinkPatch {
  if (patch.longUrl === undefined) return patch;
  const target = parseTargetUrl(patch.longUrl, rules);
  if (!target.ok) throw invalidFields([{ field: 'long_url', reason: target.reason }]);
  return { ...patch, longUrl: target.href };
}
