import { html } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import {
  button,
  buttonLink,
  card,
  copyField,
  facts,
  foreignText,
  moment,
  notice,
  pagination,
  table,
  tabs,
  urlText,
} from './components.ts';
import { checkbox, checkboxes, field, form, freshForm, select, textArea } from './form.ts';
import type { PageRoutes } from './page-routes.ts';

/** `/docs/style`: every part of which pages are made, for those who make pages. */
export function addStylePage(pages: PageRoutes): void {
  pages.get('/docs/style', {}, async () => Promise.resolve({ title: 'Parts of pages', content: CONTENT }));
}

const CHOICES = [
  ['a', 'The first', 'and what it means'],
  ['b', 'The second'],
] as const;

const FAULTY = {
  values: new URLSearchParams({ email: 'ana@', long: 'One line\nand another' }),
  problem: new Problem('invalid-request', {
    errors: [{ field: 'email', reason: 'must have a domain name after the @' }],
  }),
};

const LABELS = { email: 'Email' };

const CONTENT = html`<h1>Parts of pages</h1>
  ${tabs(
    'Tabs',
    [
      ['/docs/style', 'This page'],
      ['/docs', 'The API'],
    ],
    '/docs/style',
  )}
  <h2>Text</h2>
  <p>
    A paragraph with <a href="#main">a link</a>, <code>code</code>, <span class="quiet">quiet words</span>, a
    <span class="chip">tag</span>, a title ${foreignText('\u202Eof somebody else')}, and
    ${moment('2026-11-29T02:03:04.005Z')}.
  </p>
  ${notice('info', html`<p>What to know.</p>`)} ${notice('good', html`<p>What has worked.</p>`)}
  ${notice('fault', html`<p>What has not worked, and what to do.</p>`)}
  <h2>Buttons</h2>
  <p class="row">
    ${button('The main one')} ${button('Another', { kind: 'plain' })} ${button('Delete', { kind: 'danger' })}
    ${buttonLink('#main', 'A link', { kind: 'plain' })} ${button('Small', { kind: 'plain', isSmall: true })}
  </p>
  ${card(
    'A form that is filled in for the first time',
    form({ action: '/docs/style', submit: 'Send', state: freshForm({ one: 'b', any: ['a'] }), labels: {} }, [
      field({ name: 'text', label: 'A text', hint: 'What it is for.', state: freshForm() }),
      select({
        name: 'one',
        label: 'One of several',
        choices: [
          ['a', 'The first'],
          ['b', 'The second'],
        ],
        state: freshForm({ one: 'b' }),
      }),
      checkboxes({
        name: 'any',
        label: 'Any of several',
        choices: CHOICES,
        state: freshForm({ any: ['a'] }),
      }),
      checkbox({ name: 'yes', label: 'Yes or no', hint: 'What yes means.', state: freshForm() }),
    ]),
  )}
  ${card(
    'A form with faults',
    form({ action: '/docs/style', submit: 'Send', state: FAULTY, labels: LABELS }, [
      field({ name: 'email', label: LABELS.email, type: 'email', state: FAULTY }),
      textArea({ name: 'long', label: 'Several lines', state: FAULTY }),
    ]),
  )}
  ${card('A value to copy', copyField('copied', 'Short link', 'https://go.example/abc12345'))}
  ${card(
    'Facts and tables',
    html`${facts([
      ['Short link', urlText('https://go.example/abc12345')],
      ['Made', moment('2026-11-29T02:03:04.005Z')],
    ])}
    ${table(
      'Links',
      [{ label: 'Link' }, { label: 'Clicks', isNumber: true }, { label: 'Open', hasButtons: true }],
      [1, 2].map((at) => [
        urlText(`https://go.example/${at}`),
        at * 1_000,
        buttonLink('#main', 'Open', { kind: 'plain', isSmall: true }),
      ]),
    )}
    ${pagination({ first: '#main', next: '#main' })}`,
  )}`;
