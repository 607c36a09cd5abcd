import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';

/* The parts of which pages are made. `/docs/style` shows each of them. */

export interface ButtonOptions {
  /** Default: `main`, of which a page has one. `bare` is text in the navigation. */
  readonly kind?: 'main' | 'plain' | 'danger' | 'bare';
  readonly isSmall?: boolean;
  /** The form says which of its buttons was pressed. */
  readonly name?: string;
  readonly value?: string;
  /** What it does, for those who do not see what is around it. */
  readonly fullLabel?: string;
}

/** Sends the form that it stands in. */
export function button(label: string, options: ButtonOptions = {}): Html {
  const { name, value, fullLabel } = options;
  const given = { class: classOf(options), name, value, 'aria-label': fullLabel };
  return html`<button ${attributes(given)}>${label}</button>`;
}

/** A button that is a form of its own. */
export function postButton(action: string, label: string, options: ButtonOptions = {}): Html {
  return html`<form method="post" action="${action}">${button(label, options)}</form>`;
}

/** A link that looks like a button. */
export function buttonLink(to: string, label: string, options: ButtonOptions = {}): Html {
  return html`<a href="${to}" ${attributes({ class: classOf(options), 'aria-label': options.fullLabel })}
    >${label}</a
  >`;
}

function classOf({ kind = 'main', isSmall = false }: ButtonOptions): string | undefined {
  if (kind === 'bare') return undefined;
  return ['button', kind === 'main' ? '' : kind, isSmall ? 'small' : ''].filter(Boolean).join(' ');
}

/** A part of a page with a heading of its own. */
export function card(title: string, content: HtmlValue, { id }: { readonly id?: string } = {}): Html {
  return html`<section class="card" ${attributes({ id })}>
    <h2>${title}</h2>
    ${content}
  </section>`;
}

/** Says what has happened, `good` or a `fault`, or what to know. Readers of screens hear it at once. */
export function notice(
  kind: 'info' | 'good' | 'fault',
  content: HtmlValue,
  { hasFocus = false }: { readonly hasFocus?: boolean } = {},
): Html {
  const role = kind === 'fault' ? 'alert' : kind === 'good' ? 'status' : undefined;
  const name = kind === 'info' ? 'notice' : `notice ${kind}`;
  return html`<div class="${name}" ${attributes({ role, tabindex: hasFocus && '-1', autofocus: hasFocus })}>${content}</div>`;
}

/** A text that somebody has written: its direction ends with it. */
export function foreignText(text: string): Html {
  return html`<bdi>${text}</bdi>`;
}

/** A URL, which may break anywhere. */
export function urlText(url: string): Html {
  return html`<bdi class="url">${url}</bdi>`;
}

/** A moment; a script shows it in the zone of the reader. @param at RFC 3339, in UTC */
export function moment(at: string): Html {
  return html`<time datetime="${at}">${at.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

export interface Column {
  readonly label: string;
  readonly isNumber?: boolean;
  /** For the last one: buttons. Its label is only heard. */
  readonly hasButtons?: boolean;
}

/** A table; on a narrow screen each row is a list. @param caption what it shows */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly HtmlValue[])[],
  { isCaptionSeen = true } = {},
): Html {
  const head = columns.map(({ label, isNumber, hasButtons }) =>
    hasButtons === true
      ? html`<th scope="col"><span class="unseen">${label}</span></th>`
      : html`<th scope="col" ${attributes({ class: isNumber === true && 'number' })}>${label}</th>`,
  );
  const classes = columns.map(({ isNumber, hasButtons }) =>
    hasButtons === true ? 'end' : isNumber === true && 'number',
  );
  // Where the table is too wide, each cell says what it is, instead of its column.
  const labels = columns.map(({ label, hasButtons }) => hasButtons !== true && label);
  const body = rows.map(
    (cells) =>
      html`<tr>
        ${cells.map((cell, at) => html`<td ${attributes({ class: classes[at], 'data-label': labels[at] })}>${cell}</td>`)}
      </tr>`,
  );
  const seen = attributes({ class: !isCaptionSeen && 'unseen' });
  return html`<div class="table" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <caption ${seen}>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`;
}

/** Names and what they are. */
export function facts(entries: readonly (readonly [name: string, value: HtmlValue])[]): Html {
  return html`<dl class="facts">
    ${entries.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

/** Leads through the pages of a list. Undefined: there is no such page. */
export function pagination({ first, next }: { readonly first?: string; readonly next?: string }): HtmlValue {
  if (first === undefined && next === undefined) return undefined;
  return html`<nav class="pages" aria-label="Pages">
    ${
      first === undefined ? html`<span></span>` : buttonLink(first, 'Newest', { kind: 'plain' })
    }${next === undefined ? '' : buttonLink(next, 'Older', { kind: 'plain' })}
  </nav>`;
}

/** The parts of a page that has several, each with an address of its own. */
export function tabs(
  label: string,
  entries: readonly (readonly [to: string, label: string])[],
  path: string,
): Html {
  const items = entries.map(([to, name]) => {
    const current = { 'aria-current': to === path ? 'page' : undefined };
    return html`<li><a href="${to}" ${attributes(current)}>${name}</a></li>`;
  });
  return html`<nav class="tabs" aria-label="${label}">
    <ul>
      ${items}
    </ul>
  </nav>`;
}

/** A value to be copied, with a button where there are scripts. @param id of the field, once in a page */
export function copyField(
  id: string,
  label: string,
  value: string,
  { isSecret = false, isLabelSeen = true } = {},
): Html {
  const shown = { class: isSecret && 'secret', autocomplete: 'off', spellcheck: 'false' };
  return html`<div class="field">
    <label for="${id}" ${attributes({ class: !isLabelSeen && 'unseen' })}>${label}</label>
    <div class="copy">
      <input id="${id}" value="${value}" readonly${attributes(shown)} /><button
        type="button"
        class="button"
        data-copies="${id}"
        hidden
      >
        Copy
      </button>
    </div>
  </div>`;
}
