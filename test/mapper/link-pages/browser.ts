import { expect } from 'chai';
import { send, type Answer } from '../client.ts';

export type Fields = Readonly<Record<string, string | readonly string[]>>;

const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

/** What a browser without scripts sends for one person. */
export class Browser {
  readonly #origin: () => string;
  readonly #cookie: string;

  /** @param origin of the mapper, when it is needed */
  constructor(origin: () => string, cookie: string) {
    this.#origin = origin;
    this.#cookie = cookie;
  }

  async get(path: string): Promise<Answer> {
    return send('GET', this.#origin() + path, { headers: this.#headers() });
  }

  /** Sends a form as a page of ours would, or with other headers. */
  async post(path: string, fields: Fields, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.postBytes(path, Buffer.from(toForm(fields).toString()), headers);
  }

  /** Sends the bytes of a form, as pages of ours never do. */
  async postBytes(
    path: string,
    body: Buffer,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return send('POST', this.#origin() + path, {
      headers: {
        ...this.#headers(),
        origin: this.#origin(),
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
      body,
    });
  }

  /** Sends a form with a file behind its fields. */
  async upload(path: string, fields: Readonly<Record<string, string>>, file: string): Promise<Answer> {
    const parts = Object.entries(fields).map(
      ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    parts.push(
      `--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n${file}\r\n--b--\r\n`,
    );
    return send('POST', this.#origin() + path, {
      headers: {
        ...this.#headers(),
        origin: this.#origin(),
        'content-type': 'multipart/form-data; boundary=b',
      },
      body: parts.join(''),
    });
  }

  #headers(): Record<string, string> {
    return { cookie: this.#cookie, accept: HTML };
  }
}

function toForm(fields: Fields): URLSearchParams {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    for (const one of typeof value === 'string' ? [value] : value) form.append(name, one);
  return form;
}

/** The fields of the form with this action, as a browser would send them when nobody changes anything. */
export function fieldsOf(page: Answer, action: string): Record<string, string | string[]> {
  const begin = page.text.indexOf(`<form method="post" action="${action}"`);
  const form = begin < 0 ? '' : page.text.slice(begin, page.text.indexOf('</form>', begin));
  expect(form, `a form for ${action}`).not.to.equal('');
  const fields: Record<string, string | string[]> = {};
  const add = (name: string, value: string): void => {
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  };
  for (const [, attributes = ''] of form.matchAll(/<input([^>]*)>/g)) {
    const name = attributeOf(attributes, 'name');
    const type = attributeOf(attributes, 'type');
    const isSent = type === 'checkbox' ? / checked\b/.test(attributes) : type !== 'file';
    if (name !== '' && isSent) add(name, attributeOf(attributes, 'value'));
  }
  for (const [, attributes = '', options = ''] of form.matchAll(/<select([^>]*)>([^]*?)<\/select>/g)) {
    const chosen = /<option([^>]* selected[^>]*)>/.exec(options) ?? /<option([^>]*)>/.exec(options);
    add(attributeOf(attributes, 'name'), attributeOf(chosen?.[1] ?? '', 'value'));
  }
  return fields;
}

function attributeOf(attributes: string, name: string): string {
  const [, value = ''] = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes) ?? [];
  return value
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

/** What people read of a page, without its tags. */
export function wordsOf({ text }: Answer): string {
  return attributeOf(
    ` x="${text
      .replaceAll('<wbr>', '')
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll('"', '&quot;')}"`,
    'x',
  ).replaceAll(/\s+/g, ' ');
}

/** That no text of somebody has become code: the policy and the page allow none. */
export function expectNoCode({ text, headers }: Answer): void {
  expect(headers['content-security-policy']).to.include("default-src 'self'").and.not.include('unsafe');
  const tags = [...text.matchAll(/<([a-z][^\s/>]*)([^>]*)>/gi)];
  for (const [tag, name = '', attributes = ''] of tags) {
    expect(name, tag).to.match(/^[a-z][a-z0-9]*$/i);
    // Outside of quotes there are only names.
    const names = attributes.replaceAll(/="[^"]*"/g, '');
    expect(names, tag).to.match(/^[\sa-zA-Z/-]*$/);
    expect(
      names.split(/\s+/).filter((one) => /^(?:on|style$)/.test(one)),
      tag,
    ).to.deep.equal([]);
    expect(attributes, tag).not.to.match(/(?:href|src|action)="\s*(?:javascript|data|vbscript):/i);
    if (name === 'script') expect(attributes).to.match(/src="\/static\//);
  }
  expect(text).not.to.match(/<style|<iframe|<img[^>]*src=x/i);
}
