import type { ApiFixture } from '../api/use-api.ts';
import type { Person } from '../api/people.ts';
import { Browser } from './browser.ts';

/** Somebody who is signed in, and has no links yet. */
export interface Newcomer extends Pick<Person, 'id'> {
  readonly cookie: string;
  readonly browser: Browser;
  /** What the API says of his link. */
  readonly linkOf: (key: string) => Promise<Record<string, unknown>>;
}

/** @param origin of the mapper that his browser asks. Default: that of the fixture */
export async function newcomer(
  fixture: ApiFixture,
  options: { readonly isAdmin?: boolean } = {},
  origin = (): string => fixture.mapper.url,
): Promise<Newcomer> {
  const { api, people } = fixture;
  const person = await people.person(options);
  const cookie = await people.session(person);
  return {
    id: person.id,
    cookie,
    browser: new Browser(origin, cookie),
    linkOf: async (key) => (await api.call('GET', `/urls/${key}`, { cookie })).json(),
  };
}
