import { html } from '../http/html.ts';
import { button } from '../pages/components.ts';
import { faultsOf, freshForm, type FormState } from '../pages/form.ts';
import type { Page } from '../pages/layout.ts';
import type { FormRequest, PageReply, PageRoutes } from '../pages/page-routes.ts';
import { requirePasswordAgain, withPasswordAsked } from '../pages/password-field.ts';
import { repeatKeyField, repeatKeyOf, withoutRepeatKey } from '../pages/repeat-key.ts';
import { tryForm } from '../pages/try-form.ts';
import { LABELS, linkFields } from './form-fields.ts';
import { NEW_LINK, newLinkFields } from './link-form.ts';
import { NEW_LINK_PATH, pathOfLink } from './paths.ts';
import { withRowsInOrder } from './target-rows.ts';

const SIGNED_IN = { for: 'signed-in' } as const;
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
    requirePasswordAgain(form);
    const { key, isNew } = await make(newLinkFields(form), repeatKeyOf(form));
    return { location: `${pathOfLink(key)}?done=${isNew ? 'made' : 'found'}` };
  };
  return tryForm(form, send, ({ problem }) =>
    newLinkPage(withoutRepeatKey(withPasswordAsked({ values: withRowsInOrder(form), problem }))),
  );
}

function newLinkPage(state: FormState): Page {
  return {
    title: 'New link',
    width: 'middle',
    content: html`<p class="trail"><a href="/urls">My links</a></p><h1>New link</h1>
<div class="card"><form method="post" action="${NEW_LINK_PATH}">
${faultsOf(state, LABELS)}${repeatKeyField(state)}
${linkFields({ state })}
${button('Make the link')}</form></div>`,
  };
}
