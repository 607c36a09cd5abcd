import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { invalidFields, Problem } from '../http/problem.ts';

/** A form with a file, as it arrives. */
export interface UploadedForm {
  /** Those that stand in front of the file. */
  readonly fields: URLSearchParams;
  /** The bytes of the file. They must be read to their end, or {@link close} be called. */
  readonly file: AsyncIterable<Buffer>;
  /** Ends what is under way. */
  close(): void;
}

const LIMITS = { files: 1, fields: 32, fieldSize: 1_024, headerPairs: 16, headerSize: 8 * 1_024 };

const NO_FILE = { field: 'file', reason: 'must be chosen' };

/**
 * Reads a form of type `multipart/form-data` up to its file. The name of the file and its type mean nothing.
 * @param contentType with the boundary
 * @throws Problem 400 no well-formed form, 422 without a file; the error of the pieces
 */
export async function openUploadedForm(
  contentType: string,
  pieces: AsyncIterable<Buffer>,
): Promise<UploadedForm> {
  const fields = new URLSearchParams();
  const begun = Promise.withResolvers<BusboyFileStream>();
  const opened: { stream?: BusboyFileStream } = {};
  const parser = createParser(contentType);
  parser
    .on('field', (name: string | undefined, value) => fields.append(name ?? '', value))
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
  void pump(pieces, parser).catch(fail);
  return { fields, file: await begun.promise, close: () => fail(new Problem('incomplete')) };
}

/** Hands on a piece when the parser has taken the one before, so that a slow reader makes the client wait. */
async function pump(pieces: AsyncIterable<Buffer>, parser: BusboyInstance): Promise<void> {
  for await (const piece of pieces) {
    if (parser.destroyed) return;
    await new Promise<void>((resolve) => {
      parser.write(piece, () => resolve());
      // A parser that is destroyed calls nobody back.
      parser.once('close', resolve);
    });
  }
  if (!parser.destroyed) parser.end();
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
