import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { whyNotText } from '../http/form-text.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { MAX_PICTURE_BYTES } from '../pictures/picture.ts';
import { receiveBytes, tooLarge } from './receive-upload.ts';
import type { Spool } from './spool.ts';
import type { SpoolFile } from './spool-file.ts';

/** A form that was posted. */
export interface PostedForm {
  /** The picture. */
  readonly file: SpoolFile;
  /** The other fields. `tags` may be sent several times: they are joined with commas. */
  readonly fields: Readonly<Record<string, string>>;
}

/** More than all fields of the longest texts need. */
const MAX_FIELD_BYTES = 16 * 1024;
const MAX_FIELDS = 32;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 16;
/** Of a whole form: the picture, its fields, and what stands between them. */
export const MAX_FORM_BYTES = MAX_PICTURE_BYTES + 64 * 1024;

/** The field with the file. */
const IMAGE = 'image';
const ONE_FILE = { field: IMAGE, reason: 'must be exactly one file' };

/**
 * Keeps the picture of a form, as its bytes arrive. The name of its file and its type mean nothing to us.
 * @param contentType with the boundary
 * @param stack disposes of the file
 * @throws Problem 400 no well-formed form, 413, 422 fields that are missing, unknown, or given twice
 */
export async function receiveForm(
  { contentType, pieces }: { readonly contentType: string; readonly pieces: AsyncIterable<Buffer> },
  stack: AsyncDisposableStack,
  spool: Spool,
): Promise<PostedForm> {
  const form = new FormReader(contentType, async (stream) => receiveBytes(stream, stack, spool));
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > MAX_FORM_BYTES) throw tooLarge();
      await form.write(piece);
    }
    return await form.end();
  } finally {
    await form.close();
  }
}

/** Takes the pieces of a form one after the other. Its first fault ends it. */
class FormReader {
  readonly #parser: BusboyInstance;
  readonly #keep: (stream: BusboyFileStream) => Promise<SpoolFile>;
  readonly #fields = new Map<string, string[]>();
  #stream: BusboyFileStream | undefined;
  #file: Promise<SpoolFile> | undefined;
  #fault: Error | undefined;
  /** A form without parts finishes in the middle of a piece, when more bytes follow its end. */
  #hasFinished = false;
  /** Ends the step that is under way. */
  #onFault: ((fault: Error) => void) | undefined;

  constructor(contentType: string, keep: (stream: BusboyFileStream) => Promise<SpoolFile>) {
    this.#keep = keep;
    this.#parser = createParser(contentType);
    const tooMany = { field: '', reason: `has more than ${MAX_FIELDS} fields` };
    this.#parser
      .on('file', (name: string | undefined, stream) => this.#takeFile(name, stream))
      .on('field', (name: string | undefined, value, _, isCut) => this.#takeField(name, value, isCut))
      .on('filesLimit', () => this.#fail(invalidFields([ONE_FILE])))
      .on('fieldsLimit', () => this.#fail(invalidFields([tooMany])))
      .on('error', (cause) => this.#fail(malformed(cause)))
      .once('finish', () => (this.#hasFinished = true));
  }

  /** Resolves when the next piece may come. */
  async write(piece: Buffer): Promise<void> {
    await this.#step((done) => this.#parser.write(piece, () => done()));
  }

  async end(): Promise<PostedForm> {
    await this.#step((done) => {
      if (this.#hasFinished) done();
      else this.#parser.once('finish', () => done()).end();
    });
    if (this.#file === undefined) throw invalidFields([{ field: IMAGE, reason: 'is required' }]);
    return { file: await this.#file, fields: this.#joined() };
  }

  /** Ends what is under way, so that nothing works on the file any more. */
  async close(): Promise<void> {
    this.#stream?.destroy(new Problem('incomplete'));
    this.#parser.destroy();
    await this.#file?.catch(() => undefined);
  }

  async #step(begin: (done: () => void) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onFault = reject;
      if (this.#fault === undefined) begin(resolve);
      else reject(this.#fault);
    });
    if (this.#fault !== undefined) throw this.#fault;
  }

  #fail(fault: Error): void {
    this.#fault ??= fault;
    this.#onFault?.(this.#fault);
  }

  #takeFile(name: string | undefined, stream: BusboyFileStream): void {
    // It may fail before anybody reads it. The parser says so too.
    stream.on('error', () => undefined);
    this.#stream = stream;
    if (name !== IMAGE) {
      this.#fail(invalidFields([{ field: name ?? '', reason: 'unknown field' }]));
      return;
    }
    stream.on('limit', () => this.#fail(tooLarge()));
    this.#file = this.#keep(stream);
    this.#file.catch((error: unknown) => this.#fail(error as Error));
  }

  #takeField(name: string | undefined, value: string, isCut: boolean): void {
    const refuse = (reason: string): void => this.#fail(invalidFields([{ field: name ?? '', reason }]));
    const notText = whyNotText(value);
    if (name === undefined || name === '') refuse('a part of the form has no name');
    else if (name === IMAGE) refuse('must be a file');
    else if (isCut) refuse(`must not exceed ${MAX_FIELD_BYTES} bytes`);
    else if (notText !== undefined) this.#fail(notText);
    // Forms of browsers send fields that nobody has filled in.
    else if (value !== '') this.#fields.set(name, [...(this.#fields.get(name) ?? []), value]);
  }

  #joined(): Record<string, string> {
    const joined: [string, string][] = [];
    for (const [name, values] of this.#fields) {
      if (values.length > 1 && name !== 'tags')
        throw invalidFields([{ field: name, reason: 'is given more than once' }]);
      joined.push([name, values.join(',')]);
    }
    return Object.fromEntries(joined);
  }
}

function createParser(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: {
        files: 1,
        fileSize: MAX_PICTURE_BYTES,
        fields: MAX_FIELDS,
        fieldSize: MAX_FIELD_BYTES,
        headerPairs: MAX_HEADERS,
        headerSize: MAX_HEADER_BYTES,
      },
    });
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause: unknown): Problem {
  return new Problem('malformed-form', { cause });
}
