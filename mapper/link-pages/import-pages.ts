import type { AnsweredImport } from '../api/import-service.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { Problem } from '../http/problem.ts';
import { freshForm } from '../pages/form.ts';
import type { PageReply, PageRequest, PageRoutes, UploadRequest } from '../pages/page-routes.ts';
import { tryForm } from '../pages/try-form.ts';
import { importPage, importStatusPage, type RefusedRecord } from './import-view.ts';
import { openUploadedForm } from './uploaded-form.ts';

const SHARED = { for: 'signed-in', isShared: true } as const;

/** `/import`: takes files of links, and says what becomes of them. */
export function addImportPages(pages: PageRoutes): void {
  pages.get('/import', SHARED, async () => importPage(freshForm()));
  pages.upload('/import', SHARED, takeFile);
  pages.get('/import/:id', SHARED, async (request) => {
    const id = request.params['id'] ?? '';
    const job = (await request.call('getImport', { params: { import_id: id } })).body as AnsweredImport;
    const hasRefused = Object.keys(job.refused).length > 0 || job.state === 'failed';
    return importStatusPage(job, hasRefused ? await firstRefused(request, id) : []);
  });
}

async function takeFile({ ctx, call, stream }: UploadRequest): Promise<PageReply> {
  const form = await openUploadedForm(ctx.get('Content-Type'), stream.pieces);
  const send = async (): Promise<PageReply> => {
    const query = Object.fromEntries([...form.fields].filter(([, value]) => value !== ''));
    const file = { type: 'application/octet-stream', pieces: form.file };
    const { body } = await call('importLinks', { query, stream: file }).catch((error: unknown) => {
      const isEmpty = error instanceof Problem && error.code === 'incomplete' && error.cause === undefined;
      throw isEmpty
        ? new Problem('invalid-request', { errors: [{ field: 'file', reason: 'is empty' }] })
        : error;
    });
    return { location: `/import/${(body as AnsweredImport).id}` };
  };
  try {
    return await tryForm(form.fields, send, importPage);
  } finally {
    form.close();
  }
}

/** Of the report, which is as long as the file. */
const MAX_SHOWN = 20;
const MAX_RECORDS = 20_000;
const MAX_MS = 1_000;

/** The first records that were not taken. The whole report has all; without it, the page has the numbers. */
async function firstRefused({ identity, services }: PageRequest, id: string): Promise<RefusedRecord[]> {
  const found: RefusedRecord[] = [];
  if (identity === undefined) return found;
  const endsAtMs = monotonicMs() + MAX_MS;
  let records = 0;
  try {
    const { content } = await services.imports.report(identity, id);
    for await (const piece of content as AsyncIterable<string>) {
      for (const line of piece.split('\n').filter((text) => text !== '')) {
        records += 1;
        const record = JSON.parse(line) as Partial<RefusedRecord>;
        const { line: number = 0, code = null, message } = record;
        if (message !== undefined) found.push({ line: number, code, message });
      }
      if (found.length >= MAX_SHOWN || records >= MAX_RECORDS || monotonicMs() > endsAtMs) break;
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  return found.slice(0, MAX_SHOWN);
}
