import { expect } from 'chai';
import { openImages, type ImagesFixture } from '../mapper/images/use-images.ts';
import { ApiClient } from '../mapper/api/api-client.ts';
import type { MapperOverrides } from '../mapper/world.ts';
import { disposeAtEnd } from '../servers.ts';
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

interface OpenSite extends AsyncDisposable {
  readonly images: ImagesFixture;
  readonly elsewhere: Elsewhere;
}

/** Of all tests that do not need settings of their own. */
let shared: Promise<OpenSite> | undefined;

/**
 * A real mapper on real stores, with a browser in front of it and another site beside it. Tests share it, so
 * they have accounts and links of their own.
 * @param overrides makes a mapper for these tests alone
 */
export function useSite(overrides?: MapperOverrides): Site {
  const arrived: Person[] = [];
  let site: OpenSite;

  before(async function () {
    this.timeout(60_000);
    const opening = overrides === undefined ? (shared ??= disposeAtEnd(openSite())) : openSite(overrides);
    [site] = await Promise.all([opening, testBrowser()]);
  });

  afterEach(async () => {
    await Promise.all(arrived.splice(0).map(async (person) => person[Symbol.asyncDispose]()));
  });

  after(async () => {
    if (overrides !== undefined) await site[Symbol.asyncDispose]();
  });

  const api = new ApiClient(() => site.images.mapper.url);
  return {
    get world() {
      return site.images.world;
    },
    get mapper() {
      return site.images.mapper;
    },
    get people() {
      return site.images.people;
    },
    get settings() {
      return site.images.settings;
    },
    get elsewhere() {
      return site.elsewhere;
    },
    api,
    post: async (...args) => site.images.post(...args),
    arrive: async (setting, journey, { url = site.images.mapper.url, ...options } = {}) => {
      const person = await Person.arrive({ setting, journey, site: url, ...options });
      person.complaints.allowVisits(site.elsewhere.host);
      arrived.push(person);
      return person;
    },
    link: async (fields, cookie) => {
      const body = { long_url: site.elsewhere.url('/'), ...fields };
      // A busy machine has no time for a password just now.
      const answer = await until('a link', async () => {
        const made = await api.call('POST', '/urls', {
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

async function openSite(overrides: MapperOverrides = {}): Promise<OpenSite> {
  const following = { hasStylePage: true, ...overrides.following };
  const [images, elsewhere] = await Promise.all([
    openImages({ overrides: { ...overrides, following } }),
    openElsewhere(),
  ]);
  return {
    images,
    elsewhere,
    [Symbol.asyncDispose]: async () => {
      await images[Symbol.asyncDispose]();
      await elsewhere[Symbol.asyncDispose]();
    },
  };
}
