import { expect } from 'chai';
import { HELLO } from '../../../mapper/api/link-fields.ts';
import {
  changedFields,
  newLinkFields,
  rebased,
  toForm,
  valuesOf,
} from '../../../mapper/link-pages/link-form.ts';
import { rowsToShow, withRowsInOrder } from '../../../mapper/link-pages/target-rows.ts';
import type { WholeLink } from '../../../mapper/shorten/whole-link.ts';

const RICH: WholeLink = {
  ...HELLO,
  tags: ['a, b', 'z'],
  expiration_date: '2030-01-31T12:00:00.000Z',
  valid_from: '2026-11-28T02:37:42.402Z',
  redirect_type: 307,
  max_visits: 10,
  has_password: true,
  noindex: true,
  targets: [
    { when: { device: ['ios'] }, long_url: 'https://example.com/ios' },
    { when: { country: ['DE', 'AT'], language: ['de'] }, long_url: 'https://example.com/de' },
  ],
};

/** What a browser sends for the form of a link in which nothing was changed. */
function untouched(link: WholeLink): URLSearchParams {
  const form = toForm({ ...valuesOf(link), tags: '', password: '' });
  form.set('shown', toForm(valuesOf(link)).toString());
  return form;
}

describe('the form of a link', () => {
  it('changes nothing when it is sent as it is, to the millisecond', () => {
    for (const link of [HELLO, RICH]) expect(changedFields(untouched(link))).to.deep.equal({});
  });

  it('shows times of UTC with as many digits as they have', () => {
    expect(valuesOf(RICH)).to.include({
      expiration_date: '2030-01-31T12:00',
      valid_from: '2026-11-28T02:37:42.402',
    });
  });

  for (const [what, change, fields] of [
    ['a title', { title: ' Hi ' }, { title: 'Hi' }],
    ['no title', { title: '' }, { title: null }],
    ['further tags', { tags: 'news, z ,,ä' }, { tags: ['a, b', 'news', 'z', 'ä'] }],
    ['a time', { expiration_date: '2031-02-03T04:05' }, { expiration_date: '2031-02-03T04:05:00.000Z' }],
    ['no time', { expiration_date: '' }, { expiration_date: null }],
    ['what is no time', { expiration_date: 'soon' }, { expiration_date: 'soon' }],
    ['a number', { max_visits: '25' }, { max_visits: 25 }],
    ['what is no number', { max_visits: '2e3' }, { max_visits: '2e3' }],
    ['a password', { password: ' x ' }, { password: ' x ' }],
    ['no password', { remove_password: 'true' }, { password: null }],
    ['a type', { redirect_type: '301' }, { redirect_type: 301 }],
    ['a switch', { disabled: 'true' }, { disabled: true }],
  ] as const)
    it(`changes only what was changed: ${what}`, () => {
      const form = untouched(RICH);
      for (const [name, value] of Object.entries(change)) form.set(name, value);
      expect(changedFields(form)).to.deep.equal(fields);
    });

  it('takes a tag away whose box is empty, also one with a comma', () => {
    const form = untouched(RICH);
    form.delete('kept_tags');
    form.append('kept_tags', 'z');
    expect(changedFields(form)).to.deep.equal({ tags: ['z'] });
  });

  it('makes targets of the rows that are filled in, and keeps what was typed', () => {
    const form = untouched(RICH);
    for (const name of ['when.device', 'when.country', 'when.language', 'long_url'])
      form.delete(`targets.0.${name}`);
    form.set('targets.5.when.country', 'fr; BE  lu');
    form.set('targets.5.long_url', 'not a url');
    expect(changedFields(form)['targets']).to.deep.equal([
      { when: { country: ['DE', 'AT'], language: ['de'] }, long_url: 'https://example.com/de' },
      { when: { country: ['fr', 'BE', 'lu'] }, long_url: 'not a url' },
    ]);
    expect(rowsToShow(form)).to.equal(3);
    const shown = withRowsInOrder(form);
    expect(shown.get('targets.0.when.country')).to.equal('DE, AT');
    expect(shown.get('targets.1.when.country')).to.equal('fr, BE, lu');
    expect(shown.get('targets.1.long_url')).to.equal('not a url');
    expect(shown.get('title')).to.equal('Hello');
  });

  it('leaves alone what the form of an image does not have', () => {
    const image = {
      type: 'image/png',
      width: 1,
      height: 1,
      bytes: 9,
      image_url: 'https://go.example/images/a',
    };
    const cat = { ...HELLO, image };
    expect(valuesOf(cat)).not.to.have.any.keys('long_url', 'redirect_type', 'max_visits');
    const form = untouched(cat);
    form.set('title', 'A cat');
    expect(changedFields(form)).to.deep.equal({ title: 'A cat' });
  });

  it('adds what was changed in it to what somebody else has changed meanwhile', () => {
    const form = untouched(RICH);
    form.set('title', 'Mine');
    form.set('targets.0.long_url', 'https://example.com/mine');
    form.delete('noindex');
    const now = { ...RICH, title: 'Theirs', max_visits: 99, tags: ['theirs'], targets: [], version: 7 };
    form.set('password', 'never shown again');
    const merged = toForm(rebased(form, now));
    expect(Object.fromEntries(merged)).to.include({
      long_url: RICH.long_url,
      title: 'Mine',
      max_visits: '99',
      kept_tags: 'theirs',
      'targets.0.long_url': 'https://example.com/mine',
      'targets.1.when.country': 'DE, AT',
    });
    expect([merged.has('noindex'), merged.has('password')]).to.deep.equal([false, false]);
    // Sent again, it changes what was changed in it, and no more.
    merged.set('shown', toForm(valuesOf(now)).toString());
    expect(changedFields(merged)).to.have.all.keys('title', 'noindex', 'targets');
  });

  it('makes a plain link when only its target is filled in', () => {
    const form = new URLSearchParams({
      long_url: ' https://example.com/ ',
      custom_alias: '',
      title: '',
      redirect_type: '302',
      max_visits: '',
      'targets.0.long_url': '',
    });
    expect(newLinkFields(form)).to.deep.equal({ long_url: 'https://example.com/' });
    form.set('custom_alias', 'hello');
    form.set('noindex', 'true');
    form.set('tags', 'b,a');
    expect(newLinkFields(form)).to.deep.equal({
      long_url: 'https://example.com/',
      custom_alias: 'hello',
      noindex: true,
      tags: ['a', 'b'],
    });
    expect(newLinkFields(new URLSearchParams())).to.deep.equal({ long_url: '' });
  });
});
