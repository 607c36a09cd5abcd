import type { AnsweredImport } from '../api/import-service.ts';
import { clicks } from '../charts/clicks.ts';
import { html, type Html, type HtmlValue } from '../http/html.ts';
import { card, moment, pagination, postButton, table } from '../pages/components.ts';
import { FORMATS, STATE_WORDS } from './import-words.ts';

/** The imports of a person, as a page shows them. */
export interface ListedImports {
  /** Those that are not over; only the first page has them. */
  readonly open: readonly AnsweredImport[];
  /** The others, newest first. */
  readonly over: readonly AnsweredImport[];
  readonly isFirst: boolean;
  readonly nextCursor: string | null;
}

/** The list of one's imports, those that are not over first. */
export function importList({ open, over, isFirst, nextCursor }: ListedImports): HtmlValue {
  const all = [...open, ...over];
  const pages = {
    ...(!isFirst && { first: '/import' }),
    ...(nextCursor !== null && { next: `/import?${new URLSearchParams({ cursor: nextCursor }).toString()}` }),
  };
  const list =
    all.length === 0
      ? html`<p class="quiet">You have imported nothing yet. What you import is listed here.</p>`
      : tableOf(all);
  return card('Your imports', html`${list}${pagination(pages)}`);
}

function tableOf(all: readonly AnsweredImport[]): Html {
  return table(
    'Imports',
    [
      { label: 'Import' },
      { label: 'State' },
      { label: 'Links', isNumber: true },
      { label: 'Not taken', isNumber: true },
      { label: 'What to do', hasButtons: true },
    ],
    all.map((job) => [
      html`<a href="/import/${job.id}">${moment(job.created_at)}</a><br><small>${fileOf(job)}</small>`,
      html`${stateOf(job)}${isOver(job) && job.has_report && reportOf(job)}`,
      clicks(job.stored),
      clicks(Object.values(job.refused).reduce((sum, count) => sum + count, 0)),
      isOver(job) &&
        postButton(`/import/${job.id}/delete`, 'Delete', {
          kind: 'plain',
          isSmall: true,
          fullLabel: `Delete the import of ${toMinute(job.created_at)}`,
        }),
    ]),
    { isCaptionSeen: false },
  );
}

function reportOf({ id, created_at: at }: AnsweredImport): Html {
  return html`<br><small><a href="/import/${id}/report" aria-label="Report of the import of ${toMinute(at)}">Report</a></small>`;
}

function toMinute(at: string): string {
  return `${at.slice(0, 16).replace('T', ' ')} UTC`;
}

function fileOf({ from, dry_run: isDryRun }: AnsweredImport): string {
  const format = FORMATS[from as keyof typeof FORMATS] as string | undefined;
  const only = isDryRun ? ['only tried'] : [];
  return [...(format === undefined ? [] : [format]), ...only].join(', ');
}

function stateOf({ state, done, records }: AnsweredImport): string {
  const word = STATE_WORDS[state];
  return state === 'running' && records !== null ? `${word}: ${clicks(done)} of ${clicks(records)}` : word;
}

/** Whether nothing more of an import is done. */
export function isOver({ state }: AnsweredImport): boolean {
  return state === 'done' || state === 'failed';
}
