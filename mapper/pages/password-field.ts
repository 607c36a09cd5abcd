import { html, type HtmlValue } from '../http/html.ts';
import { invalidFields } from '../http/problem.ts';
import { checkbox, field, hidden, type FormState } from './form.ts';

/*
 * The password of a link in its forms. What was typed is never shown again, so a form that is shown again has
 * lost it. Such a form says so, and is not carried out without a password until the person asks for that:
 * otherwise a link that was meant to have one would be public.
 */

const PASSWORD = 'password';
/** Says that a password was typed into the form before. */
const TYPED_BEFORE = 'password_typed';
/** Says that the form is to be carried out without it. */
const WITHOUT = 'without_password';

const REASON = 'must be typed again, because no form shows it';

/** Whether a form has a password, or had one that it lost. */
export function hadPassword(values: URLSearchParams): boolean {
  return (values.get(PASSWORD) ?? '') !== '' || values.get(TYPED_BEFORE) === 'true';
}

/** The fields that a form has when it has lost its password. */
export const LOST_PASSWORD: Readonly<Record<string, string>> = { [TYPED_BEFORE]: 'true' };

/** The state of a form that names the lost password among what is to be done. */
export function withPasswordAsked(state: FormState): FormState {
  const isNamed = state.problem?.errors?.some(({ field: name }) => name === PASSWORD) === true;
  if (state.problem === undefined || isNamed || !hadPassword(state.values)) return state;
  return { ...state, further: [{ field: PASSWORD, reason: REASON }] };
}

/** @throws Problem 422 for a form that has lost its password, and that nobody wants to be without one */
export function requirePasswordAgain(form: URLSearchParams): void {
  const isDecided = [WITHOUT, 'remove_password'].some((name) => form.get(name) === 'true');
  if (form.get(TYPED_BEFORE) !== 'true' || isDecided || (form.get(PASSWORD) ?? '') !== '') return;
  throw invalidFields([{ field: PASSWORD, reason: REASON }]);
}

/**
 * The field of a password, with a way to go without it where it was lost.
 * @param without what that way is called
 */
export function passwordField({
  label,
  hint,
  without,
  state,
}: {
  readonly label: string;
  readonly hint: string;
  readonly without: string;
  readonly state: FormState;
}): HtmlValue {
  const input = field({
    name: PASSWORD,
    label,
    type: 'password',
    autocomplete: 'new-password',
    hint,
    state,
  });
  if (!hadPassword(state.values)) return input;
  return html`${input}${hidden(TYPED_BEFORE, 'true')}${checkbox({ name: WITHOUT, label: without, state })}`;
}
