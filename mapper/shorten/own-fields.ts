import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { text } from '../http/text-field.ts';

/* The fields of a request that only links with an owner have. */

const TAGS = 20;

export const title = text({ max: 200 });

export const tag = text({ min: 1, max: 50 });

export const tags = z
  .array(tag, { error: mustBe('a list of texts') })
  .max(TAGS, { error: `must not have more than ${TAGS} tags` });
