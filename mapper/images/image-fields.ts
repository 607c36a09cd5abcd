import { z } from 'zod';
import { invalidInput, mustBe } from '../http/field-errors.ts';
import { invalidFields, type FieldError } from '../http/problem.ts';
import { parseExpiration } from '../shorten/expiration.ts';
import { tags as tagList, title } from '../shorten/own-fields.ts';
import { timeField } from '../shorten/time-field.ts';

/** The tags as one text. A list of them cannot be sent as a parameter or a field of a form. */
const tags = z
  .string({ error: mustBe('a string') })
  .transform((text, context) => {
    const names = text.split(',').map((name) => name.trim());
    const parsed = tagList.safeParse(names.filter((name) => name !== ''));
    if (parsed.success) return [...new Set(parsed.data)];
    for (const { message } of parsed.error.issues) context.addIssue(message);
    return z.NEVER;
  })
  .meta({ description: 'with commas between them' });

/** What may be said about an image that is posted: parameters beside its bytes, or fields of its form. */
export const imageFields = z.strictObject({
  title: title.optional(),
  tags: tags.optional(),
  expiration_date: timeField((value) => parseExpiration(value, Date.now()))
    .optional()
    .meta({ description: 'after 30 more days the image is deleted for good' }),
  find_if_exists: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .transform((value) => value === 'true')
    .optional()
    .meta({
      description: 'true: your image of the same bytes that there is already is the answer, with 200',
    }),
});

export type ImageFields = z.output<typeof imageFields>;

/** @param userId null: nobody who is known @throws Problem 422 */
export function parseImageFields(
  fields: Readonly<Record<string, string>>,
  userId: bigint | null,
): ImageFields {
  const parsed = imageFields.safeParse(fields);
  if (!parsed.success) throw invalidInput(parsed.error, faultsOfOwner(fields, userId));
  requireOwnerFor(parsed.data, userId);
  return parsed.data;
}

/** @throws Problem 422 for what only an image with an owner can have */
export function requireOwnerFor(fields: ImageFields, userId: bigint | null): void {
  const faults = faultsOfOwner(fields, userId);
  if (faults.length > 0) throw invalidFields(faults);
}

/** What only an image with an owner can have. */
export function faultsOfOwner(fields: object, userId: bigint | null): FieldError[] {
  const reason = 'is only for images with an owner: send an API key';
  return ['title', 'tags'].flatMap((field) => {
    const isGiven = (fields as Readonly<Record<string, unknown>>)[field] !== undefined;
    return userId === null && isGiven ? [{ field, reason }] : [];
  });
}
