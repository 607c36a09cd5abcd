import { randomUUID } from 'node:crypto';
import type { Html } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import { hidden, type FormState } from './form.ts';

/* The key of a form that makes one link, however often it is sent. */

const NAME = 'idempotency_key';

/** The `Idempotency-Key` that a form was sent with. Undefined: it has none, or one of its own making. */
export function repeatKeyOf(form: URLSearchParams): string | undefined {
  const key = form.get(NAME) ?? '';
  return /^[ -~]{1,255}$/.test(key) ? key : undefined;
}

/**
 * The key of a form that is shown. After an error of ours, nobody knows whether the link was made, so the
 * form keeps its key, and the next attempt gets that link. Any other form is another request.
 */
export function repeatKeyField({ values, problem }: FormState): Html {
  const isUnknown = problem !== undefined && problem.status >= 500;
  return hidden(NAME, (isUnknown ? repeatKeyOf(values) : undefined) ?? randomUUID());
}

/** The state of a form, with words for people where the problem is about the key. */
export function withoutRepeatKey(state: FormState): FormState {
  if (state.problem?.code !== 'idempotency-key-reused') return state;
  const detail =
    'This form was sent before with other content, and may have made a link then. Look at your links. Sent again, this form makes another link.';
  return { ...state, problem: new Problem('idempotency-key-reused', { detail }) };
}
