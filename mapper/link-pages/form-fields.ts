import { DEVICES, type Device } from '../../db/urls/link-rules.ts';
import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import { checkbox, checkboxes, errorsOf, field, freshForm, select, type FormState } from '../pages/form.ts';
import { passwordField } from '../pages/password-field.ts';
import { rowsToShow } from './target-rows.ts';

/* The fields of the form of a link, new or not. */

/** Their labels, by the names of the fields of the API. */
export const LABELS = {
  long_url: 'Target',
  custom_alias: 'Alias',
  title: 'Title',
  tags: 'Tags',
  expiration_date: 'Expires',
  valid_from: 'Valid from',
  expired_url: 'Target when expired',
  redirect_type: 'Type of redirect',
  max_visits: 'Number of visits',
  password: 'Password',
  forward_query: 'Hand on the query',
  noindex: 'Hide from search engines',
  disabled: 'Switch off',
  find_if_exists: 'Use an existing link',
  targets: 'Targets for some visitors',
} as const;

const UTC = 'in UTC; empty: no limit';

export interface LinkFieldsOptions {
  readonly state: FormState;
  /** Of an image, which has fewer. */
  readonly isImage?: boolean;
  /** Undefined: the link is new. */
  readonly link?: { readonly tags: readonly string[]; readonly hasPassword: boolean };
}

/** All fields of a link: what everybody needs, and behind that what few do. */
export function linkFields(options: LinkFieldsOptions): Html {
  const { state, isImage = false, link } = options;
  const isNew = link === undefined;
  const label = (name: keyof typeof LABELS) => ({ name, label: LABELS[name], state });
  return html`
${!isImage && field({ ...label('long_url'), hint: 'a web address, such as https://example.com/page', isRequired: true })}
${isNew && field({ ...label('custom_alias'), hint: '3 to 64 characters of A-Z a-z 0-9 _ -; empty: one is made' })}
${field({ ...label('title'), maxLength: 200 })}
${tagFields(options)}
${section(
  'Time and visits',
  ['expiration_date', 'valid_from', 'expired_url', 'max_visits'],
  state,
  html`<div class="pair">
${field({ ...label('valid_from'), type: 'datetime-local', hint: UTC })}
${field({ ...label('expiration_date'), type: 'datetime-local', hint: UTC })}</div>
${!isImage && field({ ...label('expired_url'), hint: 'empty: a page that says so' })}
${!isImage && field({ ...label('max_visits'), inputMode: 'numeric', hint: '1 to 1,000,000; empty: no limit' })}`,
)}
${section(
  isImage ? 'How it is shown' : 'How it is followed',
  ['redirect_type', 'password', 'forward_query', 'noindex', 'disabled', 'find_if_exists'],
  state,
  html`
${!isImage && select({ ...label('redirect_type'), choices: TYPES })}
${!isImage && passwordFields(options)}
${!isImage && checkbox({ ...label('forward_query'), hint: 'the query of the short link is put behind the target' })}
${checkbox({ ...label('noindex'), hint: 'search engines are told not to show it' })}
${isNew && checkbox({ ...label('find_if_exists'), hint: 'if you have one with the same fields' })}
${!isNew && checkbox({ ...label('disabled'), hint: 'nobody can follow it until you switch it on again' })}`,
)}
${!isImage && section(LABELS.targets, ['targets'], state, targetFields(state))}`;
}

const TYPES = [
  ['302', '302: found (usual)'],
  ['301', '301: moved for ever'],
  ['307', '307: temporary, keeps the method'],
  ['308', '308: for ever, keeps the method'],
] as const;

/** A part that is open when something in it is wrong. Closed, it says what is filled in. */
function section(
  title: string,
  names: readonly (keyof typeof LABELS)[],
  state: FormState,
  content: Html,
): Html {
  const nameOf = (field: string): string => field.split('.')[0] ?? '';
  const isFaulty = (name: string): boolean => errorsOf(state).some(({ field: at }) => nameOf(at) === name);
  const isUsed = (name: string): boolean =>
    [...state.values].some(
      ([field, value]) => nameOf(field) === name && value !== '' && !isUnsaid(field, value),
    );
  const used = names.filter(isUsed).map((name) => LABELS[name]);
  return html`<details class="more" ${attributes({ open: names.some(isFaulty) })}>
<summary>${title}${used.length > 0 && html` <small>given: ${used.join(', ')}</small>`}</summary>
<div>${content}</div></details>`;
}

/** What is as usual; and a password, which no form keeps. */
function isUnsaid(name: string, value: string): boolean {
  return name === 'password' || (name === 'redirect_type' && value === '302');
}

function tagFields({ state, link }: LinkFieldsOptions): HtmlValue {
  const kept = [...new Set([...(link?.tags ?? []), ...state.values.getAll('kept_tags')])];
  return [
    kept.length > 0 &&
      html`<div class="tags">${checkboxes({
        name: 'kept_tags',
        label: LABELS.tags,
        hint: 'empty a box to take the tag away',
        state,
        choices: kept.map((tag) => [tag, tag] as const),
      })}</div>`,
    field({
      name: 'tags',
      label: kept.length > 0 ? 'Further tags' : LABELS.tags,
      hint: 'separated by commas',
      state,
    }),
  ];
}

function passwordFields({ state, link }: LinkFieldsOptions): HtmlValue {
  const has = link?.hasPassword === true;
  // A new password came before its removal. It is lost now, but that does not mean that the old one is to go.
  const wasReplaced = (state.values.get('password') ?? '') !== '';
  return [
    passwordField({
      label: has ? 'New password' : LABELS.password,
      hint: has ? 'empty: it stays as it is' : 'who follows the link is asked for it; empty: none',
      without: has ? 'Leave the password as it is' : 'The link is to have no password',
      state,
    }),
    has &&
      checkbox({
        name: 'remove_password',
        label: 'Remove the password',
        state: wasReplaced ? freshForm() : state,
      }),
  ];
}

const DEVICE_NAMES: Readonly<Record<Device, string>> = {
  ios: 'iOS',
  android: 'Android',
  windows: 'Windows',
  macos: 'macOS',
  linux: 'Linux',
  chromeos: 'ChromeOS',
};

/** A row for each target, and an empty one. The first row that fits a visitor is for him. */
function targetFields(state: FormState): Html {
  const rows = Array.from({ length: rowsToShow(state.values) }, (_, at) => {
    const name = (part: string): string => `targets.${at}.${part}`;
    return html`<fieldset class="rule"><legend>${at + 1}.</legend>
${field({ name: name('long_url'), label: 'Target', state })}
${checkboxes({
  name: name('when.device'),
  label: 'On',
  state,
  choices: DEVICES.map((device) => [device, DEVICE_NAMES[device]] as const),
})}
<div class="pair">
${field({ name: name('when.country'), label: 'In countries', hint: 'codes, such as DE, AT', state })}
${field({ name: name('when.language'), label: 'With languages', hint: 'codes, such as de, pt-BR', state })}</div>
</fieldset>`;
  });
  return html`<div id="field-targets"><p class="quiet">Visitors who fit a row are led to its target: the first row that fits. All others are led to the target above. Save to get a further row.</p>${rows}</div>`;
}
