import { attributes, html, type Html } from '../http/html.ts';
import { button } from './components.ts';
import { invalidFields } from '../http/problem.ts';
import { faultsOf, field, select, type FormState } from './form.ts';
import { hadPassword, passwordField, requirePasswordAgain, withPasswordAsked } from './password-field.ts';
import { repeatKeyField, withoutRepeatKey } from './repeat-key.ts';
import { given } from './try-form.ts';

const LABELS = {
  long_url: 'Long address',
  custom_alias: 'Alias',
  expires_in: 'Expires',
  password: 'Password',
  max_visits: 'Visits',
  title: 'Title',
  tags: 'Tags',
};

/** The fields behind `Options`, without the password. */
const OPTIONS = ['custom_alias', 'expires_in', 'max_visits', 'title', 'tags'] as const;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long a link may live: days, and what people read. */
const LIVES = [
  ['', 'Never'],
  ['1', 'After a day'],
  ['7', 'After a week'],
  ['30', 'After 30 days'],
  ['365', 'After a year'],
] as const;

/** The form for a new link. @param isOwner whether the link will have an owner */
export function shortenForm(sent: FormState, isOwner: boolean): Html {
  const { values } = sent;
  const state = withoutRepeatKey(withPasswordAsked(sent));
  const isOpen = hadPassword(values) || OPTIONS.some((name) => given(values, name) !== null);
  return html`<form method="post" action="/urls">
    ${faultsOf(state, LABELS)}${repeatKeyField(state)}
    <div class="ask">
      ${field({
        name: 'long_url',
        label: LABELS.long_url,
        type: 'url',
        placeholder: 'https://',
        state,
        isRequired: true,
        hasFocus: state.problem === undefined,
      })}${button('Shorten')}
    </div>
    <details ${attributes({ open: isOpen })}>
      <summary>Options</summary>
      <div class="options">
        ${field({
          name: 'custom_alias',
          label: LABELS.custom_alias,
          hint: 'Left empty, we choose one.',
          state,
          maxLength: 64,
        })}
        ${select({
          name: 'expires_in',
          label: LABELS.expires_in,
          hint: 'Nobody can follow it then.',
          choices: LIVES,
          state,
        })}
        ${passwordField({
          label: LABELS.password,
          hint: 'Visitors must know it.',
          without: 'The link is to have no password',
          state,
        })}
        ${field({
          name: 'max_visits',
          label: LABELS.max_visits,
          hint: 'How often it may be followed.',
          type: 'number',
          state,
        })}
        ${
          isOwner && [
            field({ name: 'title', label: LABELS.title, state, maxLength: 200 }),
            field({ name: 'tags', label: LABELS.tags, hint: 'Divided by commas.', state }),
          ]
        }
      </div>
    </details>
  </form>`;
}

/**
 * The body of `POST /urls` that the form asks for. What is empty is left out.
 * @throws Problem 422 for what the form does not offer, and without a password that was typed before
 */
export function toShortenBody(values: URLSearchParams, nowMs: number): Readonly<Record<string, unknown>> {
  requirePasswordAgain(values);
  const days = given(values, 'expires_in');
  if (days !== null && !LIVES.some(([value]) => value === days))
    throw invalidFields([{ field: 'expires_in', reason: 'must be one of the choices' }]);
  const visits = given(values, 'max_visits');
  const tags = (given(values, 'tags') ?? '').split(',').map((tag) => tag.trim());
  const body = {
    long_url: values.get('long_url')?.trim() ?? '',
    custom_alias: given(values, 'custom_alias'),
    // To the hour, so that a form that is sent again is the same request.
    expiration_date: days === null ? null : toFullHour(nowMs + Number(days) * DAY_MS),
    // It may begin with a blank.
    password: values.get('password') === '' ? null : values.get('password'),
    max_visits: visits === null ? null : Number(visits),
    title: given(values, 'title'),
    tags: tags.some(Boolean) ? tags.filter(Boolean) : null,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/** The next full hour. */
function toFullHour(ms: number): string {
  return new Date(Math.ceil(ms / HOUR_MS) * HOUR_MS).toISOString();
}
