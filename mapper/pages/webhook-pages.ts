import { EVENTS } from '../../db/outbox/outbox.ts';
import { html, type Html, type HtmlValue } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import {
  buttonLink,
  card,
  copyField,
  facts,
  moment,
  notice,
  postButton,
  table,
  urlText,
} from './components.ts';
import { checkboxes, field, form, freshForm, type FormState } from './form.ts';
import type { Page } from './layout.ts';
import type { PageRequest, PageRoutes } from './page-routes.ts';
import { settingsPage } from './settings-frame.ts';
import { tryForm } from './try-form.ts';

const PATH = '/settings/webhooks';
const SIGNED_IN = { for: 'signed-in' } as const;
const LABELS = { url: 'Address', events: 'Events' };

/** What the API says of a webhook. */
interface Webhook {
  readonly webhook_id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly created_at: string;
  readonly failing_since: string | null;
  readonly disabled_at: string | null;
  readonly disabled_reason: string | null;
}

/** What it says of an attempt to deliver to one. */
interface Delivery {
  readonly event: string;
  readonly attempt: number;
  readonly attempted_at: string;
  readonly status: number | null;
  readonly reason: string | null;
}

const DONE: Readonly<Record<string, string>> = {
  saved: 'The webhook is saved.',
  off: 'The webhook is off.',
  on: 'The webhook is on.',
  tested: 'The test was sent. What became of it is the first row below.',
};

/** `/settings/webhooks`. Secrets are shown in the answer to the form that makes them, and nowhere else. */
export function addWebhookPages(pages: PageRoutes): void {
  const showAll = async ({ call, query }: PageRequest, state: FormState): Promise<Page> => {
    const items = await listOf(call);
    const isDeleted = query.get('done') === 'deleted';
    const content = html`${isDeleted && notice('good', html`<p>The webhook is deleted.</p>`)}
    ${tableOf(items)} ${card('New webhook', webhookForm(PATH, 'Make the webhook', state))}`;
    return settingsPage(PATH, 'Webhooks', content);
  };
  const showOne = async (request: PageRequest, state?: FormState): Promise<Page> => {
    const { call, params, query } = request;
    const webhook = await findWebhook(request);
    const { body } = await call('listWebhookDeliveries', {
      params: { webhook_id: params['id'] ?? '' },
      query: { limit: '20' },
    });
    const { items } = body as { items: readonly Delivery[] };
    const done = DONE[query.get('done') ?? ''];
    const said = done !== undefined && notice('good', html`<p>${done}</p>`);
    const shown = state ?? freshForm({ url: webhook.url, events: webhook.events });
    return settingsPage(PATH, 'Webhook', onePage(webhook, items, shown, said));
  };
  const everything = freshForm({ events: EVENTS });
  pages.get(PATH, SIGNED_IN, async (request) => showAll(request, everything));
  pages.post(PATH, SIGNED_IN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const { body } = await request.call('createWebhook', { body: toBody(request.form) });
        return settingsPage(PATH, 'Your new webhook', withSecret(body as Webhook & { secret: string }, true));
      },
      async (state) => showAll(request, state),
    ),
  );
  pages.get(`${PATH}/:id`, SIGNED_IN, async (request) => showOne(request));
  pages.post(`${PATH}/:id`, SIGNED_IN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const params = paramsOf(request);
        await request.call('changeWebhook', { params, body: toBody(request.form) });
        return { location: `${addressOf(request)}?done=saved` };
      },
      async (state) => showOne(request, state),
    ),
  );
  addActions(pages);
}

function addActions(pages: PageRoutes): void {
  pages.post(`${PATH}/:id/switch`, SIGNED_IN, async (request) => {
    const disabled = request.form.get('to') === 'off';
    await request.call('changeWebhook', { params: paramsOf(request), body: { disabled } });
    return { location: `${addressOf(request)}?done=${disabled ? 'off' : 'on'}` };
  });
  pages.post(`${PATH}/:id/test`, SIGNED_IN, async (request) => {
    await request.call('testWebhook', { params: paramsOf(request) });
    return { location: `${addressOf(request)}?done=tested#deliveries` };
  });
  pages.post(`${PATH}/:id/secret`, SIGNED_IN, async (request) => {
    const { body } = await request.call('rotateWebhookSecret', { params: paramsOf(request) });
    return settingsPage(PATH, 'The new secret', withSecret(body as Webhook & { secret: string }, false));
  });
  pages.get(`${PATH}/:id/delete`, SIGNED_IN, async (request) => {
    const { url } = await findWebhook(request);
    const content = html`<div class="card">
      <h2>Delete this webhook?</h2>
      <p>${urlText(url)} is told of nothing more. What is on its way is dropped.</p>
      <div class="row">
        ${postButton(`${addressOf(request)}/delete`, 'Delete the webhook', { kind: 'danger' })}
        ${buttonLink(addressOf(request), 'Keep it', { kind: 'plain' })}
      </div>
    </div>`;
    return settingsPage(PATH, 'Delete a webhook', content);
  });
  pages.post(`${PATH}/:id/delete`, SIGNED_IN, async (request) => {
    await request.call('deleteWebhook', { params: paramsOf(request) });
    return { location: `${PATH}?done=deleted` };
  });
}

async function listOf(call: PageRequest['call']): Promise<readonly Webhook[]> {
  return ((await call('listWebhooks')).body as { items: readonly Webhook[] }).items;
}

/** @throws Problem 404 */
async function findWebhook({ call, params }: PageRequest): Promise<Webhook> {
  const found = (await listOf(call)).find(({ webhook_id: id }) => id === params['id']);
  if (found === undefined) throw new Problem('not-found');
  return found;
}

function paramsOf({ params }: PageRequest): Readonly<Record<string, string>> {
  return { webhook_id: params['id'] ?? '' };
}

function addressOf({ params }: PageRequest): string {
  return `${PATH}/${encodeURIComponent(params['id'] ?? '')}`;
}

function toBody(values: URLSearchParams) {
  return { url: values.get('url')?.trim() ?? '', events: values.getAll('events') };
}

function tableOf(webhooks: readonly Webhook[]): Html {
  if (webhooks.length === 0)
    return html`<p>
      You have no webhook. One is an address of yours that is told what happens to your links.
    </p>`;
  const columns = [{ label: 'Address' }, { label: 'State' }, { label: 'Open', hasButtons: true }];
  const rows = webhooks.map((webhook) => [
    urlText(webhook.url),
    stateOf(webhook),
    buttonLink(`${PATH}/${webhook.webhook_id}`, 'Open', {
      kind: 'plain',
      isSmall: true,
      fullLabel: `Open ${webhook.url}`,
    }),
  ]);
  return html`<div class="card">${table('Your webhooks', columns, rows)}</div>`;
}

function stateOf({ disabled_at: disabledAt, failing_since: failingSince }: Webhook): HtmlValue {
  if (disabledAt !== null) return 'off';
  return failingSince === null ? 'on' : html`failing since ${moment(failingSince)}`;
}

function webhookForm(action: string, submit: string, state: FormState): Html {
  return form({ action, submit, state, labels: LABELS }, [
    field({
      name: 'url',
      label: LABELS.url,
      type: 'url',
      placeholder: 'https://',
      hint: 'It gets a POST for each event.',
      state,
      isRequired: true,
    }),
    checkboxes({ name: 'events', label: LABELS.events, state, choices: EVENTS.map((name) => [name, name]) }),
  ]);
}

function onePage(
  webhook: Webhook,
  deliveries: readonly Delivery[],
  state: FormState,
  said: HtmlValue,
): HtmlValue {
  const path = `${PATH}/${webhook.webhook_id}`;
  const isOff = webhook.disabled_at !== null;
  const columns = [
    { label: 'When' },
    { label: 'Event' },
    { label: 'Attempt', isNumber: true },
    { label: 'Outcome' },
  ];
  const rows = deliveries.map((one) => [
    moment(one.attempted_at),
    one.event,
    one.attempt,
    one.reason ?? `delivered (${one.status ?? ''})`,
  ]);
  const turned = isOff ? 'on' : 'off';
  return html`${said}
    <div class="card">
      <h2>${urlText(webhook.url)}</h2>
      ${facts([
        ['State', stateOf(webhook)],
        ['Made', moment(webhook.created_at)],
        ...(webhook.disabled_reason === null ? [] : [['Why it is off', webhook.disabled_reason] as const]),
      ])}
      <div class="row">
        ${postButton(`${path}/test`, 'Send a test', { kind: 'plain' })}
        <form method="post" action="${path}/switch">
          <button class="button plain" name="to" value="${turned}">Switch it ${turned}</button>
        </form>
        ${postButton(`${path}/secret`, 'Make a new secret', { kind: 'plain' })}
        ${buttonLink(`${path}/delete`, 'Delete', { kind: 'danger' })}
      </div>
    </div>
    ${card('Change it', webhookForm(path, 'Save', state))}
    ${card(
      'Last deliveries',
      deliveries.length === 0
        ? html`<p class="quiet">Nothing was sent yet.</p>`
        : table('Last deliveries', columns, rows, { isCaptionSeen: false }),
      { id: 'deliveries' },
    )}`;
}

function withSecret(webhook: Webhook & { secret: string }, isNew: boolean): Html {
  const { url, webhook_id: id, secret } = webhook;
  return html`<div class="card">
    ${notice('good', html`<p>${urlText(url)} has a new secret. It is shown only now: copy it.</p>`)}
    ${copyField('secret', 'Secret', secret, { isSecret: true })}
    <p class="quiet">
      Every message is signed with it, as Standard Webhooks says. Do not load this page again: that makes
      another ${isNew ? 'webhook' : 'secret'}.
    </p>
    <p>${buttonLink(`${PATH}/${id}`, 'I have copied it')}</p>
  </div>`;
}
