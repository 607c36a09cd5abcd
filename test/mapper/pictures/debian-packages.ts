import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../../../scripts/cluster/run-dir.ts';

const run = promisify(execFile);

/** With pictures: wallpapers, cameras, icons, smileys, logos, the samples of an image library. 36 MB. */
const PICTURES = [
  'lomiri-wallpapers-20.04',
  'sway-backgrounds',
  'adwaita-icon-theme',
  'nagios-images',
  'pidgin-data',
  'perl-tk',
  'python3-imageio',
  'golang-golang-x-image-dev',
  'golang-github-rwcarlsen-goexif-dev',
];
/** Reads metadata, independently of us. */
const EXIFTOOL = 'libimage-exiftool-perl';
const DOWNLOAD_MS = 120_000;

/**
 * The folder with the unpacked Debian packages. They are downloaded the first time, and nothing of them is
 * installed.
 */
export async function debianPackages(): Promise<string> {
  const folder = join(REPOSITORY, '.run/pictures');
  if (existsSync(folder)) return folder;
  mkdirSync(join(REPOSITORY, '.run'), { recursive: true, mode: 0o700 });
  const work = mkdtempSync(join(REPOSITORY, '.run/pictures-'));
  for (const name of [EXIFTOOL, ...PICTURES]) await unpack(name, work);
  try {
    renameSync(work, folder);
  } catch (error) {
    // Another test run was faster.
    rmSync(work, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

async function unpack(name: string, folder: string): Promise<void> {
  const download = (): Promise<unknown> =>
    run('apt-get', ['download', name], { cwd: folder, timeout: DOWNLOAD_MS });
  try {
    await download();
  } catch {
    // The lists of packages may be old.
    await run('apt-get', ['update'], { timeout: DOWNLOAD_MS });
    await download();
  }
  for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.deb'))) {
    await run('dpkg-deb', ['--extract', join(folder, file), folder]);
    rmSync(join(folder, file));
  }
}

/** All pictures of the packages, by their path. */
export async function debianPictures(): Promise<string[]> {
  const folder = await debianPackages();
  return globSync(join(folder, '**/*.{jpg,jpeg,png,gif,webp}')).toSorted();
}

/** What exiftool finds in all files of a folder: for each file, values by `group:tag`. */
export async function exiftool(folder: string): Promise<Record<string, unknown>[]> {
  const packages = await debianPackages();
  // -ee: also in what is embedded, -U: also tags that it has no name for.
  const options = ['-json', '-G1', '-a', '-U', '-ee', '-q', folder];
  const program = [`-I${join(packages, 'usr/share/perl5')}`, join(packages, 'usr/bin/exiftool')];
  const { stdout } = await run('perl', [...program, ...options], { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout) as Record<string, unknown>[];
}

/** Groups of exiftool that say how a picture is built, and its colour profile. */
const STRUCTURE =
  /^(SourceFile|ExifTool|System|File|JFIF|Adobe|ICC.*|PNG|PNG-p.*|PNG-cICP|GIF|RIFF|APNG|Composite|QuickTime|Meta|Track\d+|ANIM):?/;
/** Tags in these groups that are metadata all the same. */
const TEXTS =
  /(Comment|Author|Title|Description|Copyright|Software|Creation|Warning:.*trailer|XMP|Thumbnail|ModifyDate)/i;
const HARMLESS =
  /^(ICC.*|System:.*|Composite:.*|(QuickTime|Track\d+):(Create|Modify|TrackCreate|TrackModify|Media.*)Date|PNG:SignificantBits)/;

/** The tags that tell about anything but the picture. An Orientation does not count. */
export function revealingTags(tags: Record<string, unknown>): string[] {
  return Object.keys(tags).filter(
    (tag) => tag !== 'IFD0:Orientation' && (!STRUCTURE.test(tag) || (TEXTS.test(tag) && !HARMLESS.test(tag))),
  );
}
