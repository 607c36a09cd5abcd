import { html, type HtmlValue } from '../http/html.ts';
import { tabs } from './components.ts';
import type { Page } from './layout.ts';

/** The parts of the settings. */
const PARTS = [
  ['/settings', 'Profile'],
  ['/settings/password', 'Password'],
  ['/settings/keys', 'API keys'],
  ['/settings/webhooks', 'Webhooks'],
  ['/settings/delete', 'Delete account'],
] as const;

/** A part of the settings. @param path its address */
export function settingsPage(path: string, title: string, content: HtmlValue): Page {
  return {
    title,
    width: 'middle',
    content: html`<h1>Settings</h1>
      ${tabs('Settings', PARTS, path)}
      <section aria-label="${title}">${content}</section>`,
  };
}
