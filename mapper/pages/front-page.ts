import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeHtml, html, trusted, type Html, type HtmlValue } from '../http/html.ts';
import { Problem, type ProblemKind } from '../http/problem.ts';
import { parseColour, type Colour } from '../qr/colour.ts';
import { encodeUrl } from '../qr/qr-code.ts';
import { toSvg } from '../qr/qr-svg.ts';
import { buttonLink, copyField, urlText } from './components.ts';
import { freshForm, type FormState } from './form.ts';
import type { Page, Site } from './layout.ts';
import type { PageReply, PageRoutes } from './page-routes.ts';
import { repeatKeyOf } from './repeat-key.ts';
import { shortenForm, toShortenBody } from './shorten-form.ts';
import { showAgain, tryForm } from './try-form.ts';

export interface FrontPageOptions {
  /** A link that can be followed, as a preview shows it. @throws Problem 429, 503 */
  readonly findLink: (
    request: IncomingMessage,
    response: ServerResponse,
    key: string,
  ) => Promise<FoundForPage | undefined>;
}

export interface FoundForPage {
  /** Undefined: only those who follow the link see where it leads. */
  readonly longUrl: string | undefined;
}

/** `/`, with the form for a new link, and the page of the link that was made with it. */
export function addFrontPage(pages: PageRoutes, { findLink }: FrontPageOptions): void {
  const { site } = pages;
  if (site.hasFrontPage)
    pages.get('/', { isShared: true }, async ({ ctx, identity, query }) => {
      const key = query.get('made');
      const isOwner = identity !== undefined;
      if (key === null) return frontPage(freshForm({ long_url: query.get('url') }), site, isOwner);
      const found = await findLink(ctx.req, ctx.res, key);
      return found === undefined ? { location: '/' } : madePage(key, found, site, isOwner);
    });
  pages.post('/urls', { isShared: true }, async ({ make, identity, doubt, form }) => {
    // Only the form of somebody who is signed in has a title.
    const isOwner = doubt?.status === 503 ? form.has('title') : identity !== undefined;
    const again = (state: FormState): Page => frontPage(state, site, isOwner);
    if (doubt !== undefined) return showAgain(form, notYours(doubt), again);
    const send = async (): Promise<PageReply> => {
      const made = await make(toShortenBody(form, Date.now()), repeatKeyOf(form));
      const key = encodeURIComponent(made.key);
      return { location: site.hasFrontPage ? `/?made=${key}` : `/urls/${key}` };
    };
    return tryForm(form, send, again, { expiration_date: 'expires_in' });
  });
}

/** Nobody gets a link without an owner who has pressed the button as one. */
function notYours({ code, message, headers }: Problem): Problem {
  const detail =
    code === 'bad-credential'
      ? 'Your session has ended, so nothing is made yet. Sign in first, or send this again: then the link belongs to nobody.'
      : `${message} So nobody knows whose the link would be, and nothing is made. Try again in a few seconds.`;
  return new Problem(code as ProblemKind, { detail, headers });
}

function frontPage(state: FormState, site: Site, isOwner: boolean): Page {
  const { publicUrl, hasAccounts, isSignupOpen } = site;
  return {
    title: state.problem === undefined ? 'Keymill' : 'Shorten',
    width: 'middle',
    isPublic: true,
    content: html`<h1 class="hero">Make a long address short.</h1>
      <p class="lead quiet">
        Keymill is a link shortener: you get a short link and a QR code that lead there, from a message, a
        slide or a poster.
      </p>
      <div class="card above">${shortenForm(state, isOwner)}</div>
      ${
        !isOwner &&
        hasAccounts &&
        html`<p class="quiet">
          Links made here belong to nobody. ${isSignupOpen && html`<a href="/signup">Sign up</a> or `}<a
            href="/login"
            >${isSignupOpen ? 'sign in' : 'Sign in'}</a
          >
          first, and you can change them, see who follows them, and delete them.
        </p>`
      }
      ${bookmarklet(publicUrl)}`,
  };
}

/**
 * A bookmark that opens this page with the address of the page that one is looking at. It is dragged into the
 * bookmarks: no page of ours may run it.
 */
function bookmarklet(publicUrl: string): Html {
  const code = `javascript:location.href='${publicUrl}/?url='+encodeURIComponent(location.href)`;
  const link = `<a class="button plain small" data-dragged="drag-hint" href="${escapeHtml(code)}">Shorten this page</a>`;
  return html`<section class="aside">
    <h2>From any page</h2>
    <p>Drag this button to your bookmarks: ${trusted(link)}</p>
    <p id="drag-hint" class="quiet" hidden>
      It does nothing here. Drag it to the bar of bookmarks, and press it there on the page that you want to
      shorten.
    </p>
  </section>`;
}

function madePage(key: string, { longUrl }: FoundForPage, site: Site, isOwner: boolean): Page {
  const shortUrl = `${site.publicUrl}/${encodeURIComponent(key)}`;
  const picture = qrOf(shortUrl);
  const address = `data:image/svg+xml;base64,${Buffer.from(picture).toString('base64')}`;
  const target: HtmlValue =
    longUrl === undefined
      ? html`<p class="quiet">Where it leads is shown only to those who follow it.</p>`
      : html`<p class="leads"><span class="quiet">It leads to</span> ${urlText(longUrl)}</p>`;
  return {
    title: 'Your short link',
    width: 'middle',
    content: html`<div class="card made">
      <div>
        <h1>Your short link</h1>
        ${copyField('short-url', 'Short link', shortUrl, { isLabelSeen: false })} ${target}
        <p class="row">
          ${buttonLink('/', 'Shorten another', { kind: 'plain' })}
          ${isOwner && buttonLink(`/urls/${encodeURIComponent(key)}`, 'Edit and statistics', { kind: 'plain' })}
        </p>
      </div>
      <figure>
        ${trusted(picture.replace('<svg ', '<svg role="img" aria-label="QR code of the short link" '))}
        <figcaption>
          ${trusted(`<a download="${encodeURIComponent(key)}.svg" href="${address}">Save the QR code</a>`)}
        </figcaption>
      </figure>
    </div>`,
  };
}

const BLACK = parseColour('000000') as Colour;
const WHITE = parseColour('ffffff') as Colour;

/** Black on white also in the dark: many readers take no other. */
function qrOf(url: string): string {
  return toSvg(encodeUrl(url, { level: 'M', margin: 4 }), { size: 192, dark: BLACK, light: WHITE }).trim();
}
