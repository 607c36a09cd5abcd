import { expect } from 'chai';
import { attributes, html, safeUrl, trusted, type HtmlValue } from '../../../mapper/http/html.ts';

const EVIL = `"><script>alert('1')</script>&`;
const ESCAPED = '&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;';

describe('a template of HTML', () => {
  it('escapes what stands between tags and in attributes', () => {
    expect(html`<p title="${EVIL}">${EVIL}</p>`.text).to.equal(`<p title="${ESCAPED}">${ESCAPED}</p>`);
    expect(html`<p>${[EVIL, html`<b>${EVIL}</b>`]}</p>`.text).to.equal(`<p>${ESCAPED}<b>${ESCAPED}</b></p>`);
    expect(html`<p>${trusted('<b>x</b>')}${1}${2n}${false}${null}${undefined}</p>`.text).to.equal(
      '<p><b>x</b>12</p>',
    );
  });

  it('leads to addresses of the web and of ours only', () => {
    for (const url of ['https://a.example/?b&c', 'HTTP://a.example', '/urls', '/', '?a', '#b', ''])
      expect(safeUrl(url), url).to.equal(url);
    for (const url of [
      'javascript:alert(1)',
      ' javascript:alert(1)',
      'JAVASCRIPT:alert(1)',
      'java\nscript:alert(1)',
      'data:text/html,x',
      '//evil.example',
      '/\\evil.example',
      'vbscript:x',
      'evil',
    ]) {
      expect(safeUrl(url), url).to.equal('#');
      expect(html`<a href="${url}">x</a>`.text).to.equal('<a href="#">x</a>');
      expect(html`<form ${attributes({ action: url })}></form>`.text).to.equal('<form action="#"></form>');
    }
    expect(html`<a href="/urls/${'javascript:x"'}">x</a>`.text).to.equal(
      '<a href="/urls/javascript:x&quot;">x</a>',
    );
  });

  it('keeps attributes apart from the name of their tag, also where a template forgets the blank', () => {
    // Otherwise the quotes mean nothing, and what is between them is made of attributes: `onerror=`.
    expect(html`<option${attributes({ value: EVIL })}>x</option>`.text).to.equal(
      `<option value="${ESCAPED}">x</option>`,
    );
  });

  it('takes attributes that are there or not', () => {
    const given = { id: EVIL, required: true, hidden: false, name: undefined, value: null, size: 3 };
    expect(html`<input ${attributes(given)} />`.text).to.equal(`<input id="${ESCAPED}" required size="3" />`);
    expect(html`<input ${undefined} />`.text).to.equal('<input  />');
  });

  it('takes no value where escaping would not help', () => {
    const value: HtmlValue = 'x';
    for (const make of [
      () => html`<p ${value}></p>`,
      () => html`<p ${trusted('onclick="x"')}></p>`,
      () => html`<p onclick="${value}"></p>`,
      () => html`<p style="${value}"></p>`,
      () => html`<a href="${value}${value}">x</a>`,
      () => html`<p title="${html`<b>x</b>`}"></p>`,
      () => html(Object.assign(['<p title=', '></p>'], { raw: [] }), value),
      () => html(Object.assign(['<script>', '</script>'], { raw: [] }), value),
      () => html(Object.assign(['<STYLE>', '</STYLE>'], { raw: [] }), value),
    ])
      expect(make, make.toString()).to.throw(TypeError);
  });
});
