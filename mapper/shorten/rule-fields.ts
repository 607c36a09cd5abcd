import { z } from 'zod';
import type { RuleChange } from '../../db/own-links/rule-change.ts';
import { DEVICES, type RuledTarget } from '../../db/urls/link-rules.ts';
import { mustBe } from '../http/field-errors.ts';
import type { FieldError } from '../http/problem.ts';
import { COUNTRY_CODES } from '../../db/urls/country-codes.ts';
import { parseInstant, type Expiration } from './expiration.ts';
import { timeField } from './time-field.ts';

/* The fields of a request that make the rules of a link. */

export const MAX_TARGETS = 20;
export const MAX_VISITS = 1_000_000;
const MAX_PASSWORD_BYTES = 1_024;
/** Of one condition. */
const MAX_LANGUAGES = 50;
const MAX_LANGUAGE_CHARACTERS = 35;
/** Of all targets, as they are stored. Mappers keep links in memory. */
const MAX_TARGETS_BYTES = 65_536;

const flag = z.boolean({ error: mustBe('true or false') });

const country = z
  .string({ error: mustBe('a string') })
  // Only letters of ASCII: ß would become SS, South Sudan.
  .transform((value) => (/^[a-zA-Z]{2}$/.test(value) ? value.toUpperCase() : value))
  .refine((value) => COUNTRY_CODES.has(value), {
    error: 'must be a country code of ISO 3166-1, such as DE',
  });

const language = z
  .string({ error: mustBe('a string') })
  .max(MAX_LANGUAGE_CHARACTERS, { error: `must not exceed ${MAX_LANGUAGE_CHARACTERS} characters` })
  .transform((value, context) => {
    try {
      return Intl.getCanonicalLocales(value)[0] as string;
    } catch {
      context.addIssue('must be a language tag of BCP 47, such as de or pt-BR');
      return z.NEVER;
    }
  });

const redirectType = z.literal([301, 302, 307, 308], { error: 'must be 301, 302, 307 or 308' });

const password = z
  .string({ error: mustBe('a string') })
  .superRefine((value, context) => {
    const reason = whyNoLinkPassword(value);
    if (reason !== undefined) context.addIssue(reason);
  })
  .meta({ format: 'password', description: `1 to ${MAX_PASSWORD_BYTES} bytes of UTF-8` });

const maxVisits = z
  .int({ error: mustBe(`a whole number from 1 to ${MAX_VISITS}`) })
  .min(1, { error: 'must be at least 1' })
  .max(MAX_VISITS, { error: `must not exceed ${MAX_VISITS}` });

const when = z
  .strictObject(
    {
      device: listOf(z.enum(DEVICES, { error: `must be one of ${DEVICES.join(', ')}` }), DEVICES.length),
      country: listOf(country, COUNTRY_CODES.size).meta({ description: 'codes of ISO 3166-1' }),
      language: listOf(language, MAX_LANGUAGES).meta({ description: 'language tags of BCP 47' }),
    },
    { error: mustBe('an object') },
  )
  .meta({ description: 'whom it is for: the visitors who fit each list' });

const EXAMPLE_TARGETS = [
  { when: { device: ['ios'] }, long_url: 'https://example.com/ios' },
  { when: { country: ['DE', 'AT'], language: ['de'] }, long_url: 'https://example.com/de' },
];

/**
 * The fields of rules, each of them absent, null or a value.
 * @param url what is a target
 */
export function ruleFields(url: z.ZodType<string, string>) {
  const target = z.strictObject({ when, long_url: url }, { error: mustBe('an object') });
  return {
    valid_from: timeField(parseStart).nullish().meta({ description: 'until then there is no link' }),
    redirect_type: redirectType.nullish().meta({ description: '301, 302, 307 or 308; 302 without it' }),
    forward_query: flag.nullish().meta({ description: 'puts the query of a request behind the target' }),
    max_visits: maxVisits.nullish().meta({ description: 'how often it is followed, up to 1,000,000' }),
    password: password.nullish().meta({ description: 'who follows the link is asked for it' }),
    expired_url: url.nullish().meta({ description: 'where it leads when it has expired' }),
    noindex: flag.nullish().meta({ description: 'tells search engines not to index the target' }),
    targets: z
      .array(target, { error: mustBe('a list of targets') })
      .max(MAX_TARGETS, { error: `must not have more than ${MAX_TARGETS} targets` })
      .transform((list) => list.map(toRuledTarget))
      .superRefine((list, context) => {
        const reason = whyTargetsTooLong(list);
        if (reason !== undefined) context.addIssue(reason);
      })
      .nullish()
      .meta({
        description: 'where it leads some visitors: the first that fits',
        examples: [EXAMPLE_TARGETS],
      }),
  };
}

/** The values of {@link ruleFields}. */
type RuleValues = z.output<z.ZodObject<ReturnType<typeof ruleFields>>>;

/** What the fields say about the rules of a link. Its password is not hashed yet. */
export function toRuleChange(values: RuleValues): Omit<RuleChange, 'passwordHash'> {
  return {
    validFrom: values.valid_from,
    redirectType: values.redirect_type,
    forwardQuery: values.forward_query,
    maxVisits: values.max_visits,
    expiredUrl: values.expired_url,
    noindex: values.noindex,
    targets: values.targets,
  };
}

/** Why the targets of a link cannot be stored; undefined when they can. */
export function whyTargetsTooLong(targets: readonly RuledTarget[]): string | undefined {
  return Buffer.byteLength(JSON.stringify(targets)) > MAX_TARGETS_BYTES
    ? `must not exceed ${MAX_TARGETS_BYTES} bytes in all`
    : undefined;
}

/** Why this can be the password of no link; undefined when it can. */
function whyNoLinkPassword(value: string): string | undefined {
  if (value === '') return 'must not be empty';
  if (!value.isWellFormed()) return 'must be well-formed Unicode';
  if (value.includes('\0')) return 'must not contain the character NUL';
  return Buffer.byteLength(value) > MAX_PASSWORD_BYTES
    ? `must not exceed ${MAX_PASSWORD_BYTES} bytes`
    : undefined;
}

export const NOT_BEFORE_EXPIRY: FieldError = {
  field: 'valid_from',
  reason: 'must be before expiration_date',
};

/** The lists of a condition: with values, each of them once. */
function listOf<Item extends z.ZodType<string, string>>(item: Item, max: number) {
  return z
    .array(item, { error: mustBe('a list of texts') })
    .min(1, { error: 'must not be empty' })
    .max(max, { error: `must not have more than ${max} values` })
    .transform((values) => [...new Set(values)])
    .nullish();
}

function toRuledTarget({
  when: { device, country: countries, language: languages },
  long_url: longUrl,
}: {
  readonly when: z.output<typeof when>;
  readonly long_url: string;
}): RuledTarget {
  return {
    when: {
      ...(device && { device }),
      ...(countries && { country: countries }),
      ...(languages && { language: languages }),
    },
    longUrl,
  };
}

/** No link is older than 1970. */
function parseStart(value: string): Expiration {
  const parsed = parseInstant(value);
  return parsed.ok && parsed.at.getTime() < 0 ? { ok: false, reason: 'is before the year 1970' } : parsed;
}
