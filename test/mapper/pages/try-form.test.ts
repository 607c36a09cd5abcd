import { expect } from 'chai';
import { invalidFields } from '../../../mapper/http/problem.ts';
import { html } from '../../../mapper/http/html.ts';
import type { FormState } from '../../../mapper/pages/form.ts';
import { tryForm } from '../../../mapper/pages/try-form.ts';

describe('tryForm', () => {
  it('shows a fault at the field of the form, whatever the API calls it', async () => {
    let shown: FormState | undefined;
    const reply = await tryForm(
      new URLSearchParams({ expires_in: '7' }),
      async () =>
        Promise.reject(
          invalidFields([
            { field: 'expires_at', reason: 'is too late' },
            { field: 'name', reason: 'is missing' },
          ]),
        ),
      (state) => {
        shown = state;
        return { title: 'A form', content: html`` };
      },
      { expires_at: 'expires_in' },
    );
    expect(reply).to.include({ status: 422, title: 'Please mend: A form' });
    expect(shown?.problem?.errors).to.deep.equal([
      { field: 'expires_in', reason: 'is too late' },
      { field: 'name', reason: 'is missing' },
    ]);
    expect(shown?.values.get('expires_in')).to.equal('7');
  });
});
