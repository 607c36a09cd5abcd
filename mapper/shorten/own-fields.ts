import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { text } from '../http/text-field.ts';

/* The fields of a request that only links with an owner have. */

export const MAX_TITLE_CHARACTERS = 200;
export const MAX_TAGS = 20;
export const MAX_TAG_CHARACTERS = 50;

export const title = text({ max: MAX_TITLE_CHARACTERS });

export const tag = text({ min: 1, max: MAX_TAG_CHARACTERS });

export const tags = z
  .array(tag, { error: mustBe('a list of texts') })
  .max(MAX_TAGS, { error: `must not have more than ${MAX_TAGS} tags` });
