import { randomUUID } from 'node:crypto';
import { html } from '../http/html.ts';
import { button } from '../pages/components.ts';
import { faultsOf, freshForm, hidden, type FormState } from '../pages/form.ts';
import type { Page } from '../pages/layout.ts';
import type { FormRequest, PageReply, PageRoutes } from '../pages/page-routes.ts';
import { tryForm } from '../pages/try-form.ts';
import { LABELS, linkFields } from './form-fields.ts';
import { NEW_LINK, newLinkFields } from './link-form.ts';
import { NEW_LINK_PATH, pathOfLink } from './paths.ts';
import { withRowsInOrder } from './target-rows.ts';

const SIGNED_IN = { for: 'signed-in' } as const;
/** A form that is sent twice makes one link. */
const REPEAT_KEY = 'idempotency_key';
const MAX_FORM_BYTES = 256 * 1024;

/** The page of a new link, with everything that a link can have. */
export function addNewLinkPage(pages: PageRoutes): void {
  pages.get(NEW_LINK_PATH, SIGNED_IN, async ({ query }) => {
    const longUrl = query.get('url');
    return newLinkPage(freshForm({ ...NEW_LINK, ...(longUrl !== null && { long_url: longUrl }) }));
  });
  pages.post(NEW_LINK_PATH, { ...SIGNED_IN, maxBytes: MAX_FORM_BYTES }, makeLink);
}

async function makeLink({ form, make }: FormRequest): Promise<PageReply> {
  const send = async (): Promise<PageReply> => {
    const { key, isNew } = await make(newLinkFields(form), form.get(REPEAT_KEY) ?? undefined);
    return { location: `${pathOfLink(key)}?done=${isNew ? 'made' : 'found'}` };
  };
  return tryForm(form, send, ({ problem }) => newLinkPage({ values: withRowsInOrder(form), problem }));
}

function newLinkPage(state: FormState): Page {
  return {
    title: 'New link',
    width: 'middle',
    content: html`<p class="trail"><a href="/urls">My links</a></p><h1>New link</h1>
<div class="card"><form method="post" action="${NEW_LINK_PATH}">
${faultsOf(state, LABELS)}${hidden(REPEAT_KEY, randomUUID())}
${linkFields({ state })}
${button('Make the link')}</form></div>`,
  };
}
