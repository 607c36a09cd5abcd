import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { IS_LONG } from '../long.ts';
import { storeMonth } from './furnish.ts';
import { DESK } from './setting.ts';
import { useSite } from './use-site.ts';

const FOLDER = join(REPOSITORY, 'docs/screenshots');
const SIZE = { width: 1_120, height: 1_160 };
/** For screens with fine pixels. */
const SCALE = 1.5;
const QUALITY = 70;

/** Oldest first. */
const LINKS = [
  {
    custom_alias: 'release-2',
    title: 'Release notes 2.0',
    tags: ['docs'],
    path: '/blog/release-2-0',
    share: 0.4,
  },
  {
    custom_alias: 'offsite',
    title: 'Photos of the summer party',
    tags: ['team'],
    path: '/albums/2026/08',
    share: 0.1,
  },
  {
    custom_alias: 'spring',
    title: 'Spring catalogue',
    tags: ['campaign', 'print'],
    path: '/catalogue/2026/spring?utm_source=poster&utm_medium=print',
    share: 1,
  },
];

/*
 * Not a test: it makes the pictures of README.md from a real mapper with real stores, in both themes.
 * `./scripts/test --long readme`, then commit docs/screenshots.
 */
if (IS_LONG)
  describe('the pictures of the README', function () {
    this.timeout(120_000);
    const site = useSite({ publicUrl: 'http://go.example' });

    it('are made', async () => {
      const cookie = await site.people.session(await site.people.person(), { endsInMs: 600_000 });
      for (const { path, share, ...fields } of LINKS) {
        const key = await site.link({ ...fields, long_url: `https://www.example.com${path}` }, cookie);
        await storeMonth(site, key, Date.now(), share);
      }
      mkdirSync(FOLDER, { recursive: true });
      for (const theme of ['light', 'dark'] as const) {
        const take = async (name: string, path: string, signedIn = {}): Promise<void> => {
          const context = { viewport: SIZE, deviceScaleFactor: SCALE };
          const person = await site.arrive({ ...DESK, theme }, 'readme', { ...signedIn, context });
          await person.goTo(path);
          // Scripts write times in the zone of the reader when everything is loaded.
          await person.page.waitForLoadState('load');
          const picture = await sharp(await person.page.screenshot())
            .webp({ quality: QUALITY })
            .toBuffer();
          writeFileSync(join(FOLDER, `${name}-${theme}.webp`), picture);
        };
        await take('front', '/');
        await take('link', '/urls/spring', { cookie });
        await take('links', '/urls', { cookie });
      }
    });
  });
