import type { AnsweredImport } from '../api/import-service.ts';
import { Problem } from '../http/problem.ts';
import { freshForm } from '../pages/form.ts';
import type { PageReply, PageRequest, PageRoutes, UploadRequest } from '../pages/page-routes.ts';
import { tryForm } from '../pages/try-form.ts';
import { FirstRefused } from './first-refused.ts';
import type { ListedImports } from './import-list.ts';
import { importPage, importStatusPage } from './import-view.ts';
import { openUploadedForm, type UploadedForm } from './uploaded-form.ts';

const SHARED = { for: 'signed-in', isShared: true } as const;

/** `/import`: takes files of links, and says what becomes of them. */
export function addImportPages(pages: PageRoutes): void {
  const firstRefused = new FirstRefused();
  pages.get('/import', SHARED, async (request) => {
    const isDeleted = request.query.get('done') === 'deleted';
    const done = isDeleted ? 'The import is deleted. Its links stay.' : undefined;
    return importPage(freshForm(), await listImports(request), done);
  });
  pages.upload('/import', SHARED, takeFile);
  pages.get('/import/:id', SHARED, async (request) => {
    const id = request.params['id'] ?? '';
    const job = (await request.call('getImport', { params: { import_id: id } })).body as AnsweredImport;
    return importStatusPage(job, await firstRefused.of(request, job));
  });
  pages.post('/import/:id/delete', { for: 'signed-in' }, async ({ call, params }) => {
    await call('removeImport', { params: { import_id: params['id'] ?? '' } });
    return { location: '/import?done=deleted' };
  });
}

interface AnsweredList {
  readonly items: readonly AnsweredImport[];
  readonly next_cursor: string | null;
}

/** The imports of a page. An address that is of no page shows the first one. */
async function listImports({ call, query }: PageRequest): Promise<ListedImports> {
  const given = query.get('cursor') ?? '';
  const list = async (more: Readonly<Record<string, string>>): Promise<AnsweredList> =>
    (await call('listImports', { query: { limit: '20', ...more } })).body as AnsweredList;
  if (given !== '') {
    const over = await list({ state: 'over', cursor: given }).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.status !== 422) throw error;
      return undefined;
    });
    if (over !== undefined)
      return { open: [], over: over.items, isFirst: false, nextCursor: over.next_cursor };
  }
  const [open, over] = [await list({ state: 'open' }), await list({ state: 'over' })];
  return { open: open.items, over: over.items, isFirst: true, nextCursor: over.next_cursor };
}

async function takeFile(request: UploadRequest): Promise<PageReply> {
  const { ctx, call, stream } = request;
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
    return await tryForm(fields, send, async (state) =>
      // What was typed is shown again, also when there is no list now.
      importPage(state, await listImports(request).catch(() => undefined)),
    );
  } finally {
    form?.close();
  }
}
