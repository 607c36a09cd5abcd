import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { whyNotText } from '../http/form-text.ts';
import { invalidFields, Problem } from '../http/problem.ts';

/** A form with a file, as it arrives. */
export interface UploadedForm {
  /** The bytes of the file. They must be read to their end, or {@link close} be called. */
  readonly file: AsyncIterable<Buffer>;
  /** Ends what is under way. */
  close(): void;
}

const LIMITS = { files: 1, fields: 32, fieldSize: 1_024, headerPairs: 16, headerSize: 8 * 1_024 };

/** What may stand in front of the file. All fields of our own form have less than 1 KiB. */
const BOUNDS = { maxBytes: 64 * 1_024, waitMs: 30_000 };

const NO_FILE = { field: 'file', reason: 'must be chosen' };
const TOO_MANY = { field: '', reason: `has more than ${LIMITS.fields} fields` };

/**
 * Reads a form of type `multipart/form-data` up to its file. The name of the file and its type mean nothing.
 * Only the reader of the file bounds that, so what stands in front of it has bounds of its own.
 * @param form.contentType with the boundary
 * @param fields gets those in front of the file
 * @throws Problem 400 no well-formed form, 408 and 413 when its file does not begin, 422 without a file, or
 *   with more fields or longer ones than forms of ours have; the error of the pieces
 */
export async function openUploadedForm(
  { contentType, pieces }: { readonly contentType: string; readonly pieces: AsyncIterable<Buffer> },
  fields: URLSearchParams,
  bounds: Partial<typeof BOUNDS> = {},
): Promise<UploadedForm> {
  const { maxBytes, waitMs } = { ...BOUNDS, ...bounds };
  const begun = Promise.withResolvers<BusboyFileStream>();
  const opened: { stream?: BusboyFileStream } = {};
  const parser = createParser(contentType);
  parser
    .on('field', (name: string | undefined, value, isNameCut, isCut) => {
      const reason = `must not exceed ${LIMITS.fieldSize} bytes`;
      const notText = whyNotText(value);
      if (isNameCut || isCut) fail(invalidFields([{ field: name ?? '', reason }]));
      else if (notText !== undefined) fail(notText);
      else fields.append(name ?? '', value);
    })
    .on('fieldsLimit', () => fail(invalidFields([TOO_MANY])))
    .on('file', (_: string | undefined, stream) => {
      // Whoever reads it gets the error too. The parser says the same of a form that breaks off.
      stream.on('error', () => undefined);
      opened.stream = stream;
      begun.resolve(stream);
    })
    .on('error', (cause) => fail(malformed(cause)))
    .once('finish', () => begun.reject(invalidFields([NO_FILE])));
  const fail = (fault: Error): void => {
    begun.reject(fault);
    opened.stream?.destroy(fault);
    parser.destroy();
  };
  const deadline = new AnswerDeadline(waitMs, () => fail(new Problem('too-slow')));
  const isTooLong = (bytes: number): boolean => opened.stream === undefined && bytes > maxBytes;
  void pump(pieces, parser, isTooLong).catch(fail);
  try {
    return { file: await begun.promise, close: () => fail(new Problem('incomplete')) };
  } finally {
    deadline.clear();
  }
}

/**
 * Hands on a piece when the parser has taken the one before, so that a slow reader makes the client wait.
 * @param isTooLong whether no more may be read after so many bytes
 */
async function pump(
  pieces: AsyncIterable<Buffer>,
  parser: BusboyInstance,
  isTooLong: (bytes: number) => boolean,
): Promise<void> {
  let bytes = 0;
  for await (const piece of pieces) {
    if (parser.destroyed) return;
    if (isTooLong(bytes)) throw tooLong();
    bytes += piece.length;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        parser.off('close', done);
        resolve();
      };
      // A parser that is destroyed calls nobody back.
      parser.once('close', done);
      parser.write(piece, done);
    });
  }
  if (!parser.destroyed) parser.end();
}

function tooLong(): Problem {
  return new Problem('too-large', { detail: 'The file must begin sooner: too much stands in front of it.' });
}

function createParser(contentType: string): BusboyInstance {
  try {
    return new Busboy({ headers: { 'content-type': contentType }, limits: LIMITS });
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause: unknown): Problem {
  return cause instanceof Problem ? cause : new Problem('malformed-form', { cause });
}
