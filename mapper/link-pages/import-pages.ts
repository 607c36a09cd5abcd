import type { AnsweredImport } from '../api/import-service.ts';
import { Problem } from '../http/problem.ts';
import { freshForm } from '../pages/form.ts';
import type { PageReply, PageRoutes, UploadRequest } from '../pages/page-routes.ts';
import { tryForm } from '../pages/try-form.ts';
import { FirstRefused } from './first-refused.ts';
import { importPage, importStatusPage } from './import-view.ts';
import { openUploadedForm, type UploadedForm } from './uploaded-form.ts';

const SHARED = { for: 'signed-in', isShared: true } as const;

/** `/import`: takes files of links, and says what becomes of them. */
export function addImportPages(pages: PageRoutes): void {
  const firstRefused = new FirstRefused();
  pages.get('/import', SHARED, async () => importPage(freshForm()));
  pages.upload('/import', SHARED, takeFile);
  pages.get('/import/:id', SHARED, async (request) => {
    const id = request.params['id'] ?? '';
    const job = (await request.call('getImport', { params: { import_id: id } })).body as AnsweredImport;
    return importStatusPage(job, await firstRefused.of(request, job));
  });
}

async function takeFile({ ctx, call, stream }: UploadRequest): Promise<PageReply> {
  const fields = new URLSearchParams();
  let form: UploadedForm | undefined;
  const send = async (): Promise<PageReply> => {
    form = await openUploadedForm({ contentType: ctx.get('Content-Type'), pieces: stream.pieces }, fields);
    const query = Object.fromEntries([...fields].filter(([, value]) => value !== ''));
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
    return await tryForm(fields, send, importPage);
  } finally {
    form?.close();
  }
}
