import { expect } from 'chai';
import { comparableFields, withoutNulls } from '../../../mapper/repeats/comparable-fields.ts';

describe('the fields that are compared', () => {
  it('have no password, and what stands for it differs by password and cluster', () => {
    const hidden = ['one', 'two'].flatMap((password) =>
      ['secret', 'other'].map((secret) => comparableFields({ long_url: 'a', password }, secret)),
    );
    expect(JSON.stringify(hidden)).not.to.match(/one|two/);
    expect(new Set(hidden.map(({ password }) => password)).size).to.equal(4);
    expect(comparableFields({ password: 'one' }, 'secret')).to.deep.equal(
      comparableFields({ password: 'one' }, 'secret'),
    );
  });

  it('are otherwise as they were given', () => {
    const fields = { long_url: 'a', title: null, password: null };
    expect(comparableFields(fields, 'secret')).to.equal(fields);
    expect(withoutNulls(fields)).to.deep.equal({ long_url: 'a' });
  });
});
