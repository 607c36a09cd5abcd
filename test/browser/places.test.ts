import { expect } from 'chai';
import type { Person } from './person.ts';
import { furnish, type Furnished } from './furnish.ts';
import { placesOf, type Place } from './places.ts';
import { DESK, nameOf, PATIENCE, type Setting, SETTINGS } from './setting.ts';
import { useSite } from './use-site.ts';

describe('every page', function () {
  this.timeout(180_000 * PATIENCE);
  const site = useSite();
  let found: Furnished;

  before(async () => {
    found = await furnish(site);
  });

  type People = Readonly<Record<Place['as'], Person>>;

  async function arriveAll(setting: Setting, context = {}): Promise<People> {
    const { cookie, adminCookie } = found;
    const arrive = async (options: { readonly cookie?: string }): Promise<Person> =>
      site.arrive(setting, 'places', { ...options, context });
    const [nobody, owner, admin] = await Promise.all([
      arrive({}),
      arrive({ cookie }),
      arrive({ cookie: adminCookie }),
    ]);
    return { nobody, owner, admin };
  }

  /** Looks at all of them, and then says what is wrong with any. */
  async function visitAll(people: People, look: (person: Person, place: Place) => Promise<void>) {
    const faults: string[] = [];
    for (const place of placesOf(found)) {
      const person = people[place.as];
      try {
        await person.goTo(place.path, place.status);
        await look(person, place);
      } catch (error) {
        person.complaints.take();
        faults.push(`${place.name} (${place.path}): ${(error as Error).message}`);
      }
    }
    expect(faults, faults.join('\n\n')).to.have.length(0);
  }

  for (const setting of SETTINGS)
    it(`is whole, and can be used by everybody (${nameOf(setting)})`, async () => {
      await visitAll(await arriveAll(setting), async (person, { name }) => person.look(name));
    });

  it('keeps still for those who want it so, and can be used with colours and letters of one’s own', async () => {
    const people = await arriveAll(
      { ...DESK, width: 1_024 },
      { forcedColors: 'active', reducedMotion: 'reduce' },
    );
    await visitAll(people, async (person, { name }) => {
      await person.expectStill();
      await person.shoot(`${name}-forced-colours`);
      await person.expectRings();
      await person.doubleText();
      // A picture of more than the window would make the letters small again.
      await person.shoot(`${name}-double-text`, { isWhole: false });
      await person.usualText();
      person.complaints.expectNone(name);
    });
  });
});
