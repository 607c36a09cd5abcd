import { html, type Html } from './html.ts';
import { age } from './words.ts';

/** A part of the page that is sent again when it has changed, or only its rows where that is enough. */
export interface Block {
  readonly id: string;
  readonly frame: (rows: readonly Html[]) => Html;
  readonly rows: readonly Row[];
}

export interface Row {
  /** Unique on the page. */
  readonly id: string;
  /** One element with this id. */
  readonly html: Html;
}

export interface Column {
  readonly title: string;
  /** Figures stand at the right. */
  readonly isFigure?: boolean;
}

type Cell = Html | string | number | null | undefined;

interface Table {
  readonly id: string;
  readonly title: string;
  readonly note?: Html | undefined;
  /** Said instead of a table without rows. */
  readonly none?: string;
  readonly columns: readonly Column[];
}

/** A block with a table. The roles stay what they are when a narrow screen shows each row as a card. */
export function tableBlock(
  { id, title, note, none, columns }: Table,
  rows: readonly { readonly name: string; readonly cells: readonly Cell[]; readonly state?: string }[],
): Block {
  return {
    id,
    rows: rows.map(({ name, cells, state }) => {
      const rowId = `${id}-${name}`;
      return { id: rowId, html: rowOf(rowId, columns, cells, state) };
    }),
    frame: (drawn) =>
      html`<section id="${id}" aria-labelledby="${id}-title">
        <h2 id="${id}-title">${title}</h2>
        ${note}
        ${
          drawn.length === 0 && none !== undefined
            ? html`<p>${none}</p>`
            : html`<table role="table" aria-labelledby="${id}-title">
          <thead role="rowgroup">
            <tr role="row">
              ${columns.map(
                (column) =>
                  html`<th
                    role="columnheader"
                    scope="col"
                    ${column.isFigure === true && html` class="figure"`}
                  >
                    ${column.title}
                  </th>`,
              )}
            </tr>
          </thead>
          <tbody role="rowgroup">
            ${drawn}
          </tbody>
        </table>`
        }
      </section>`,
  };
}

/** A block without rows. */
export function plainBlock(id: string, content: Html): Block {
  return { id, rows: [], frame: () => content };
}

function rowOf(
  id: string,
  columns: readonly Column[],
  cells: readonly Cell[],
  state: string | undefined,
): Html {
  return html`<tr role="row" id="${id}" ${state !== undefined && html` class="${state}"`}>
    ${columns.map(({ title, isFigure }, index) => {
      const cell = cells[index] ?? '–';
      const kind = isFigure === true && html` class="figure"`;
      return index === 0
        ? html`<th role="rowheader" scope="row" ${kind}>${cell}</th>`
        : html`<td role="cell" data-title="${title}" ${kind}>${cell}</td>`;
    })}
  </tr>`;
}

/** A state in a word, with a sign: colours alone say nothing to those who do not see them. */
export function stateWord(state: State, word: string): Html {
  return html`<span class="state ${state}"><span aria-hidden="true">${SIGNS[state]}</span> ${word}</span>`;
}

export type State = 'good' | 'warn' | 'bad' | 'unknown';

const SIGNS: Readonly<Record<State, string>> = { good: '●', warn: '▲', bad: '■', unknown: '○' };

/** A time of day. @param since ISO 8601 UTC */
export function timeOf(since: string | number | null): Html {
  const ms = typeof since === 'number' ? since : Date.parse(since ?? '');
  if (Number.isNaN(ms)) return html`–`;
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}">${clock(iso)}</time>`;
}

/** How long ago that was: `4 min`. The script of the page keeps it up. @param nowMs since 1970 */
export function ageOf(since: string | number | null, nowMs: number): Html {
  const ms = typeof since === 'number' ? since : Date.parse(since ?? '');
  if (Number.isNaN(ms)) return html`–`;
  return html`<time datetime="${new Date(ms).toISOString()}" data-age>${age(nowMs - ms)}</time>`;
}

/** Hours, minutes and seconds in UTC; before today with the date. */
function clock(iso: string): string {
  const isToday = iso.slice(0, 10) === new Date().toISOString().slice(0, 10);
  return isToday ? iso.slice(11, 19) : `${iso.slice(0, 10)} ${iso.slice(11, 16)}`;
}
