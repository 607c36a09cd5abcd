import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import type { FieldError, Problem } from '../http/problem.ts';
import { button, notice } from './components.ts';

/** What a form shows: what was typed before, or what there is, and what is wrong with it. */
export interface FormState {
  readonly values: URLSearchParams;
  /** Undefined: it is shown for the first time. */
  readonly problem?: Problem | undefined;
  /** What else is to be done before the form can be carried out. */
  readonly further?: readonly FieldError[];
}

/** A form that nothing is wrong with. @param values what its fields have; null: nothing */
export function freshForm(
  values: Readonly<Record<string, string | readonly string[] | null>> = {},
): FormState {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : (value ?? [])).map((one) => [name, one] as [string, string]),
  );
  return { values: new URLSearchParams(pairs) };
}

interface FormOptions {
  readonly action: string;
  /** Of its main button. */
  readonly submit: string;
  readonly state: FormState;
  /** The names of its fields with their labels, so that faults can be listed above them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly isDangerous?: boolean;
}

/** A form with its fields, its button, and above them everything that is wrong. */
export function form(
  { action, submit, state, labels, isDangerous = false }: FormOptions,
  fields: HtmlValue,
): Html {
  const kind = isDangerous ? 'danger' : 'main';
  return html`<form method="post" action="${action}">
    ${faultsOf(state, labels)}${fields}${button(submit, { kind })}
  </form>`;
}

/** What is wrong with a form, in a list that leads to the fields. Undefined: nothing. */
export function faultsOf(state: FormState, labels: Readonly<Record<string, string>>): HtmlValue {
  const { problem } = state;
  if (problem === undefined) return undefined;
  const isAboutFields = (problem.errors ?? []).length > 0;
  const items = errorsOf(state).map(({ field, reason }) => {
    const name = nameOf(field, labels);
    const label = name === undefined ? undefined : labels[name];
    if (name === undefined || label === undefined) return html`<li>${sentence(field, reason)}</li>`;
    return html`<li><a href="#field-${name}">${sentence(label, reason)}</a></li>`;
  });
  return notice(
    'fault',
    html`<p>${isAboutFields ? 'Please mend this:' : whatIsWrong(problem)}</p>
      ${
        items.length > 0 &&
        html`<ul>
        ${items}
      </ul>`
      }`,
    // A form may stand far below on its page.
    { hasFocus: true },
  );
}

/** What no field is to blame for, and what to do about it. */
function whatIsWrong({ message, status }: Problem): string {
  return status === 503 ? `${message} Try again in a few seconds.` : message;
}

/** Everything that is wrong with the fields of a form, or that is to be done in them. */
export function errorsOf({ problem, further = [] }: FormState): readonly FieldError[] {
  return [...(problem?.errors ?? []), ...further];
}

/** `tags.3` is about the field `tags`. */
function nameOf(field: string, labels: Readonly<Record<string, string>>): string | undefined {
  const [name = ''] = field.split('.');
  return Object.hasOwn(labels, name) ? name : undefined;
}

function sentence(subject: string, reason: string): string {
  const text = subject === '' ? reason.charAt(0).toUpperCase() + reason.slice(1) : `${subject} ${reason}`;
  return text.endsWith('.') ? text : `${text}.`;
}

interface FieldOptions {
  readonly name: string;
  readonly label: string;
  readonly state: FormState;
  readonly hint?: string;
  readonly isRequired?: boolean;
}

interface InputOptions extends FieldOptions {
  /** Default: `text`. What is typed into a password is never shown again. */
  readonly type?: 'text' | 'email' | 'password' | 'url' | 'search' | 'number' | 'date' | 'datetime-local';
  readonly autocomplete?: string;
  readonly hasFocus?: boolean;
  readonly placeholder?: string;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly inputMode?: 'numeric';
}

/** A field with its label, its hint, and what is wrong with it. */
export function field(options: InputOptions): Html {
  const {
    name,
    state,
    type = 'text',
    autocomplete,
    hasFocus,
    placeholder,
    maxLength,
    minLength,
    inputMode,
  } = options;
  const value = type === 'password' ? undefined : (state.values.get(name) ?? undefined);
  const given = {
    type,
    ...commonOf(options),
    value,
    autocomplete: autocomplete ?? 'off',
    placeholder,
    maxlength: maxLength,
    minlength: minLength,
    inputmode: inputMode,
    autofocus: hasFocus,
  };
  return around(options, html`<input ${attributes(given)} />`);
}

/** A field for several lines. */
export function textArea(options: FieldOptions & { readonly rows?: number }): Html {
  const given = { ...commonOf(options), rows: options.rows ?? 4 };
  const value = options.state.values.get(options.name) ?? '';
  // The first line break behind the tag is none of the text.
  return around(options, html`<textarea ${attributes(given)}>${`\n${value}`}</textarea>`);
}

/** One of several. @param choices values with their labels */
export function select(
  options: FieldOptions & { readonly choices: readonly (readonly [string, string])[] },
): Html {
  const chosen = options.state.values.get(options.name);
  const choices = options.choices.map(
    ([value, label]) => html`<option ${attributes({ value, selected: value === chosen })}>${label}</option>`,
  );
  return around(
    options,
    html`<select ${attributes(commonOf(options))}>
      ${choices}
    </select>`,
  );
}

/** Any of several. @param choices values with their labels, and what they mean */
export function checkboxes(
  options: FieldOptions & {
    readonly choices: readonly (readonly [value: string, label: string, hint?: string])[];
  },
): Html {
  const { name, label, hint, state } = options;
  const chosen = state.values.getAll(name);
  const { id, ...others } = commonOf({ ...options, isRequired: false });
  const choices = options.choices.map(([value, text, more], index) => {
    const given = { type: 'checkbox', name, value, checked: chosen.includes(value), id: index === 0 && id };
    return html`<label class="choice"
      ><input ${attributes(given)} /><span
        >${text}${more === undefined ? '' : html` <small>${more}</small>`}</span
      ></label
    >`;
  });
  return html`<fieldset class="field" ${attributes({ 'aria-describedby': others['aria-describedby'] })}>
    <legend>${label}</legend>
    ${hintOf(name, hint)}${choices}${faultOf(options)}
  </fieldset>`;
}

/** A file to be sent. A page can never fill it in. */
export function fileField(options: Omit<FieldOptions, 'hint'>): Html {
  return around(options, html`<input ${attributes({ type: 'file', ...commonOf(options) })} />`);
}

/** Yes or no. */
export function checkbox(options: FieldOptions): Html {
  const { name, label, hint, state } = options;
  // Its hint is a part of its label.
  const common = commonOf({ name, label, state });
  const given = {
    ...common,
    type: 'checkbox',
    value: 'true',
    checked: state.values.get(name) === 'true',
  };
  return html`<div class="field">
    <label class="choice"
      ><input ${attributes(given)} /><span
        >${label}${hint === undefined ? '' : html` <small>${hint}</small>`}</span
      ></label
    >${faultOf(options)}
  </div>`;
}

/** A value that is sent along and not shown. */
export function hidden(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}" />`;
}

function around(options: FieldOptions, control: Html): Html {
  const { name, label, hint } = options;
  return html`<div class="field">
    <label for="field-${name}">${label}</label>${hintOf(name, hint)}${control}${faultOf(options)}
  </div>`;
}

function hintOf(name: string, hint: string | undefined): HtmlValue {
  return hint === undefined ? undefined : html`<small id="hint-${name}">${hint}</small>`;
}

function faultOf(options: FieldOptions): HtmlValue {
  const fault = findFault(options);
  const { name, label } = options;
  return fault === undefined
    ? undefined
    : html`<p class="fault" id="fault-${name}">${sentence(label, fault.reason)}</p>`;
}

function findFault({ name, state }: FieldOptions): FieldError | undefined {
  return errorsOf(state).find(({ field }) => field === name || field.startsWith(`${name}.`));
}

function commonOf(options: FieldOptions) {
  const { name, hint, isRequired } = options;
  const isFaulty = findFault(options) !== undefined;
  const described = [hint !== undefined && `hint-${name}`, isFaulty && `fault-${name}`].filter(Boolean);
  return {
    id: `field-${name}`,
    name,
    required: isRequired,
    'aria-invalid': isFaulty && 'true',
    'aria-describedby': described.length > 0 && described.join(' '),
  };
}
