import type { AnsweredImport } from '../api/import-service.ts';
import { clicks } from '../charts/clicks.ts';
import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import { FORMAT_NAMES } from '../import/formats/format.ts';
import { REASONS } from '../import/reasons.ts';
import {
  button,
  buttonLink,
  card,
  facts,
  foreignText,
  moment,
  notice,
  postButton,
  table,
} from '../pages/components.ts';
import { checkbox, faultsOf, field, fileField, select, type FormState } from '../pages/form.ts';
import type { Page } from '../pages/layout.ts';
import { importList, isOver, type ListedImports } from './import-list.ts';
import { FORMATS, STATE_SENTENCES } from './import-words.ts';

const LABELS = {
  file: 'File',
  from: 'What wrote it',
  on_conflict: 'A code that is taken',
  timezone: 'Time zone of times without one',
  date_order: 'Dates such as 12/11/2024',
  domain: 'Only links of the domain',
  rename: 'Give other keys to codes that cannot be kept',
  dry_run: 'Only try',
} as const;

/**
 * The form that takes a file of links, and the imports before. Its fields stand in front of the file: they
 * are needed first.
 */
export function importPage(state: FormState, imports?: ListedImports, done?: string): Page {
  const label = (name: keyof typeof LABELS) => ({ name, label: LABELS[name], state });
  return {
    title: 'Import links',
    width: 'middle',
    content: html`<p class="trail"><a href="/urls">My links</a></p><h1>Import links</h1>
${done !== undefined && notice('good', html`<p>${done}</p>`)}
<div class="card"><p>A file of another shortener, a table, or an export of Keymill, of at most 1 GiB. A file that is imported again makes no link twice.</p>
<form method="post" action="/import" enctype="multipart/form-data">${faultsOf(state, LABELS)}
${select({ ...label('from'), choices: [['auto', 'The file says it'], ...FORMAT_NAMES.map((name) => [name, FORMATS[name]] as const)] })}
${select({
  ...label('on_conflict'),
  choices: [
    ['skip', 'Leave the record out'],
    ['overwrite', 'Change my link'],
    ['error', 'Store nothing'],
  ],
})}
<details class="more"><summary>More</summary><div>
${field({ ...label('timezone'), hint: 'such as Europe/Berlin' })}
${select({
  ...label('date_order'),
  choices: [
    ['', 'Not given'],
    ['day-first', 'The day comes first'],
    ['month-first', 'The month comes first'],
  ],
})}
${field({ ...label('domain'), hint: 'empty: all' })}
${checkbox(label('rename'))}</div></details>
${checkbox({ ...label('dry_run'), hint: 'says what would be taken, and stores nothing' })}
${fileField({ ...label('file'), isRequired: true })}
${button('Import')}</form></div>
${imports !== undefined && importList(imports)}`,
  };
}

/** A record of a file that was not taken. */
export interface RefusedRecord {
  readonly line: number;
  readonly code: string | null;
  readonly message: string;
}

/** How far an import is, and what became of its records. */
export function importStatusPage(job: AnsweredImport, refused: readonly RefusedRecord[]): Page {
  const isEnded = isOver(job);
  const title = `The import ${STATE_SENTENCES[job.state]}`;
  return {
    title,
    width: 'middle',
    content: html`<p class="trail"><a href="/urls">My links</a> <a href="/import">Import</a></p><h1>${title}</h1>
${job.reason !== null && notice(job.state === 'failed' ? 'fault' : 'info', html`<p>${foreignText(job.reason)}</p>`)}
${job.dry_run && notice('info', html`<p>This was only tried: nothing is stored.</p>`)}
${!isEnded && progressOf(job)}
${card('Numbers', numbersOf(job))}
${refusedCard(job, refused)}
<div class="row">${buttonLink('/urls', 'My links', { kind: isEnded ? 'main' : 'plain' })}${job.has_report && buttonLink(`/import/${job.id}/report`, 'Whole report (NDJSON)', { kind: 'plain' })}${isEnded && postButton(`/import/${job.id}/delete`, 'Delete this import', { kind: 'plain' })}</div>
<p class="quiet">${job.has_report ? 'The report is kept for a week. ' : 'The report was kept for a week, and is gone. '}${isEnded && 'The links stay when the import is deleted.'}</p>`,
  };
}

/**
 * The page never loads itself again: a screen reader would begin again, and open parts would close. A script
 * asks how far the import is and says it in the status. A button makes it stop.
 */
function progressOf({ id, records, done }: AnsweredImport): Html {
  const share = records === null || records === 0 ? {} : { value: done, max: records };
  return html`<section data-import="/import/${id}" aria-label="Progress">
<p role="status" data-import-state>${clicks(done)}${records !== null && ` of ${clicks(records)}`} records</p>
<p><progress aria-label="Records" ${attributes(share)}></progress></p>
<p class="row"><a href="/import/${id}">Look again</a><button type="button" class="button plain small" hidden>Pause</button></p></section>`;
}

function numbersOf(job: AnsweredImport): Html {
  return html`${facts([
    ['Begun', moment(job.created_at)],
    ...(job.finished_at === null ? [] : [['Ended', moment(job.finished_at)] as const]),
    ['Records', job.records === null ? 'not known yet' : clicks(job.records)],
    [job.dry_run ? 'Would be stored' : 'Links stored', clicks(job.stored)],
    ...(job.overwritten > 0 ? [['Of these changed', clicks(job.overwritten)] as const] : []),
  ])}${job.notes.length > 0 && html`<ul>${job.notes.map((note) => html`<li>${foreignText(note)}</li>`)}</ul>`}`;
}

function refusedCard({ refused }: AnsweredImport, records: readonly RefusedRecord[]): HtmlValue {
  const reasons = Object.entries(refused);
  if (reasons.length === 0 && records.length === 0) return undefined;
  const counts = reasons.map(([reason, count]) => [
    REASONS[reason as keyof typeof REASONS] ?? reason,
    clicks(count),
  ]);
  return card(
    'Not taken',
    html`${counts.length > 0 && table('Reasons', [{ label: 'Why' }, { label: 'Records', isNumber: true }], counts)}
${
  records.length > 0 &&
  table(
    'The first of them',
    [{ label: 'Line', isNumber: true }, { label: 'Code' }, { label: 'Why' }],
    records.map(({ line, code, message }) => [
      clicks(line),
      code === null ? '' : foreignText(code),
      foreignText(message),
    ]),
  )
}`,
  );
}
