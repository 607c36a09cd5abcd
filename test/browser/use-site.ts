import { expect } from 'chai';
import { useImages, type ImagesFixture } from '../mapper/images/use-images.ts';
import type { MapperOverrides } from '../mapper/world.ts';
import { until } from '../until.ts';
import { testBrowser } from './chromium.ts';
import { openElsewhere, type Elsewhere } from './elsewhere.ts';
import { Person, type ArrivalOptions } from './person.ts';
import type { Setting } from './setting.ts';

/** Everything exists from the first `before` of the tests on. */
export interface Site extends Pick<
  ImagesFixture,
  'world' | 'mapper' | 'people' | 'api' | 'post' | 'settings'
> {
  readonly elsewhere: Elsewhere;
  /** A new browser. It ends with the test. */
  arrive(
    setting: Setting,
    journey: string,
    options?: Partial<Pick<ArrivalOptions, 'cookie' | 'context'>> & { readonly url?: string },
  ): Promise<Person>;
  /** Makes a link, anonymously or with a session. @returns its key */
  link(fields: Readonly<Record<string, unknown>>, cookie?: string): Promise<string>;
}

/** A real mapper on real stores, with a browser in front of it and another site beside it. */
export function useSite(overrides: MapperOverrides = {}): Site {
  const images = useImages({ overrides });
  const arrived: Person[] = [];
  let elsewhere: Elsewhere;

  before(async function () {
    this.timeout(60_000);
    [elsewhere] = await Promise.all([openElsewhere(), testBrowser()]);
  });

  afterEach(async () => {
    await Promise.all(arrived.splice(0).map(async (person) => person[Symbol.asyncDispose]()));
  });

  after(async () => elsewhere[Symbol.asyncDispose]());

  return {
    get world() {
      return images.world;
    },
    get mapper() {
      return images.mapper;
    },
    get people() {
      return images.people;
    },
    get settings() {
      return images.settings;
    },
    get elsewhere() {
      return elsewhere;
    },
    api: images.api,
    post: images.post,
    arrive: async (setting, journey, { url = images.mapper.url, ...options } = {}) => {
      const person = await Person.arrive({ setting, journey, site: url, ...options });
      person.complaints.allowVisits(elsewhere.host);
      arrived.push(person);
      return person;
    },
    link: async (fields, cookie) => {
      const body = { long_url: elsewhere.url('/'), ...fields };
      // A busy machine has no time for a password just now.
      const answer = await until('a link', async () => {
        const made = await images.api.call('POST', '/urls', {
          body,
          ...(cookie !== undefined && { cookie }),
        });
        return made.status === 503 ? undefined : made;
      });
      expect(answer.status, answer.text).to.equal(201);
      return String(answer.json()['unique_id']);
    },
  };
}
