import { html, type HtmlValue } from '../http/html.ts';

/** The name of a host, which breaks before a dot where it does not fit into one line. Pure. */
export function hostName(name: string): HtmlValue {
  return name.split(/(?=\.)/).map((part, at) => (at === 0 ? part : html`<wbr>${part}`));
}
