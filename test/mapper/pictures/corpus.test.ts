import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { DecoderProcess } from '../../../mapper/pictures/decoder-process.ts';
import type { Picture } from '../../../mapper/pictures/picture.ts';
import { isPicture, readPicture } from '../../../mapper/pictures/read-picture.ts';
import { fileSource } from '../../../mapper/pictures/sources.ts';
import { createLog } from '../../../runtime/log.ts';
import { IS_LONG } from '../../long.ts';
import { testFolder } from '../../servers.ts';
import { debianPictures, exiftool, revealingTags } from './debian-packages.ts';
import { pixelsOf, strip } from './reading.ts';

/** In a short run, this part of the small pictures, and every large one. */
const EVERY = IS_LONG ? 1 : 20;
const LARGE_BYTES = 300_000;

/** What sharp finds in a picture, without us. */
async function seenBySharp(bytes: Buffer): Promise<Pick<Picture, 'type' | 'width' | 'height' | 'frames'>> {
  const {
    format,
    width,
    height,
    pages = 1,
    pageHeight = height,
    orientation = 1,
  } = await sharp(bytes, {
    animated: true,
  }).metadata();
  const [w, h] = orientation >= 5 ? [pageHeight, width] : [width, pageHeight];
  return { type: format as Picture['type'], width: w, height: h, frames: pages };
}

describe('thousands of real pictures', function () {
  this.timeout(IS_LONG ? 3_600_000 : 300_000);
  const decoder = new DecoderProcess(createLog('test', 'corpus', 'silent'), {
    waitMs: 60_000,
    answerMs: 60_000,
  });
  after(() => decoder.close());

  it('are served unchanged but for the metadata', async () => {
    const all = await debianPictures();
    expect(all.length).to.be.greaterThan(6_000);
    const chosen = all.filter(
      (path, index) => index % EVERY === 0 || readFileSync(path).length > LARGE_BYTES,
    );
    const folder = mkdtempSync(join(testFolder(), 'corpus-'));
    const [before, after] = [join(folder, 'before'), join(folder, 'after')];
    for (const one of [before, after]) mkdirSync(one);
    const counts: Record<string, number> = {};
    const count = (what: string): void => void (counts[what] = (counts[what] ?? 0) + 1);
    for (const [index, path] of chosen.entries()) {
      await using source = await fileSource(path);
      const result = await readPicture(source);
      const bytes = readFileSync(path);
      if (!isPicture(result)) {
        // The samples of cameras were cut off to keep their EXIF only. libjpeg says so too.
        expect(result, path).to.deep.equal({ kind: 'damaged', why: 'is cut off in the middle' });
        const error = await sharp(bytes, { failOn: 'truncated' }).raw().toBuffer().catch(String);
        expect(error, path).to.include('premature end');
        count('cut off');
        continue;
      }
      count(result.type);
      const { output } = await strip(bytes, path);
      const { type, width, height, frames } = result;
      expect({ type, width, height, frames }, path).to.deep.equal(await seenBySharp(bytes));
      expect(await decoder.check(path, result), path).to.equal(undefined);
      expect((await pixelsOf(bytes)).equals(await pixelsOf(output)), `${path}: the same pixels`).to.equal(
        true,
      );
      const name = `${index}${extname(path)}`;
      writeFileSync(join(before, name), bytes);
      writeFileSync(join(after, name), output);
      if (output.length < bytes.length) count('shorter');
    }
    const revealedBefore = (await exiftool(before)).filter((tags) => revealingTags(tags).length > 0);
    const revealed = (await exiftool(after)).flatMap((tags) => {
      const tagsOfIt = revealingTags(tags);
      return tagsOfIt.length === 0 ? [] : [`${String(tags['SourceFile'])}: ${tagsOfIt.join()}`];
    });
    rmSync(folder, { recursive: true });
    process.stdout.write(`      ${JSON.stringify({ ...counts, 'with metadata': revealedBefore.length })}\n`);
    expect(revealed).to.deep.equal([]);
    expect(revealedBefore.length).to.be.greaterThan(chosen.length / 20);
  });
});
