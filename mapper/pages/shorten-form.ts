import { attributes, html, type Html } from '../http/html.ts';
import { button } from './components.ts';
import { faultsOf, field, select, type FormState } from './form.ts';
import { given } from './try-form.ts';

const LABELS = {
  long_url: 'Long address',
  custom_alias: 'Alias',
  expires_in: 'Expires',
  expiration_date: 'Expires',
  password: 'Password',
  max_visits: 'Visits',
  title: 'Title',
  tags: 'Tags',
};

const DAY_MS = 86_400_000;

/** How long a link may live: days, and what people read. */
const LIVES = [
  ['', 'Never'],
  ['1', 'After a day'],
  ['7', 'After a week'],
  ['30', 'After 30 days'],
  ['365', 'After a year'],
] as const;

/** The form for a new link. @param isOwner whether the link will have an owner */
export function shortenForm(state: FormState, { publicUrl, isOwner }: ShortenFormOptions): Html {
  const { values } = state;
  const isOpen = [...values.keys()].some((name) => name !== 'long_url' && given(values, name) !== null);
  const host = publicUrl.replace(/^https?:\/\//, '');
  return html`<form method="post" action="/urls">
    ${faultsOf(state, LABELS)}
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
          hint: `What comes behind ${host}/. Left empty, we choose.`,
          state,
          maxLength: 64,
        })}
        ${select({ name: 'expires_in', label: LABELS.expires_in, choices: LIVES, state })}
        ${field({
          name: 'password',
          label: LABELS.password,
          hint: 'Visitors must know it.',
          type: 'password',
          autocomplete: 'new-password',
          state,
        })}
        ${field({
          name: 'max_visits',
          label: LABELS.max_visits,
          hint: 'How often the link may be followed. Left empty: always.',
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

/** The body of `POST /urls` that the form asks for. What is empty is left out. */
export function toShortenBody(values: URLSearchParams, nowMs: number): Readonly<Record<string, unknown>> {
  const chosen = given(values, 'expires_in');
  const days = LIVES.some(([value]) => value === chosen) ? Number(chosen) : 0;
  const visits = given(values, 'max_visits');
  const tags = (given(values, 'tags') ?? '').split(',').map((tag) => tag.trim());
  const body = {
    long_url: values.get('long_url')?.trim() ?? '',
    custom_alias: given(values, 'custom_alias'),
    expiration_date: days > 0 ? new Date(nowMs + days * DAY_MS).toISOString() : null,
    // It may begin with a blank.
    password: values.get('password') === '' ? null : values.get('password'),
    max_visits: visits === null ? null : Number(visits),
    title: given(values, 'title'),
    tags: tags.some(Boolean) ? tags.filter(Boolean) : null,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

interface ShortenFormOptions {
  /** Origin of short links. */
  readonly publicUrl: string;
  readonly isOwner: boolean;
}
