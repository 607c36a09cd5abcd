import { bitly } from './bitly.ts';
import { bookmarks } from './bookmarks.ts';
import { chhoto } from './chhoto.ts';
import { csv } from './csv.ts';
import { dub } from './dub.ts';
import type { Format, FormatName } from './format.ts';
import { kutt } from './kutt.ts';
import { ndjson } from './ndjson.ts';
import { shlink } from './shlink.ts';
import { sink } from './sink.ts';
import { yourls } from './yourls.ts';

/** Every format. `csv` comes last of the tables: its marks fit those of others too. */
const FORMATS: readonly Format[] = [ndjson, yourls, kutt, shlink, bitly, dub, sink, chhoto, bookmarks, csv];

export function getFormat(name: FormatName): Format {
  const found = FORMATS.find((format) => format.name === name);
  if (found === undefined) throw new RangeError(`unknown format ${name}`);
  return found;
}

/** The first format of these sources that has marks among the names. */
export function findFormat(
  sources: readonly Format['source'][],
  names: ReadonlySet<string>,
): Format | undefined {
  return FORMATS.find(
    ({ source, marks }) =>
      sources.includes(source) && marks.some((mark) => mark.every((name) => names.has(name))),
  );
}
