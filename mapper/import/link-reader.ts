import { TextDecoding, WrongByteError } from './decode-text.ts';
import { detect, PROBE_CHARACTERS, type Detected } from './detect.ts';
import type { FormatName } from './formats/format.ts';
import { judgeRecord, type ImportRules } from './judge-record.ts';
import type { Outcome, Summary } from './outcome.ts';
import { FieldNames, RecordFields } from './read-fields.ts';
import { ReadingTally } from './reading-tally.ts';
import { faultOf, type Fault } from './reasons.ts';
import { charactersIn, type FileRecord } from './record.ts';
import { RepeatedCodes } from './repeated-codes.ts';

export interface ReadOptions extends ImportRules {
  readonly from: FormatName | 'auto';
  /** Only cuts the file into records, and judges none of them: half of the work. */
  readonly isOnlyCounting?: boolean | undefined;
}

/**
 * Reads one file of links: bytes → text → records → links. Every record has an outcome, in the order of the
 * file. Memory is bounded, however long the file, a line or a value is.
 *
 * The outcomes depend only on the bytes and the options, not on how the bytes are cut into chunks. So the
 * place of a record names it, also when the file is read again.
 */
export class LinkReader {
  readonly #options: ReadOptions;
  readonly #text = new TextDecoding();
  readonly #names = new FieldNames();
  readonly #codes = new RepeatedCodes();
  readonly #tally = new ReadingTally();
  #detected: Detected | undefined;
  /** The beginning of the file, until its format is known. */
  #probe = '';
  /** Line ends of all text so far. */
  #lineEnds = 0;
  /** Nothing more of the file is read. */
  #isOver = false;

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  /** Reads a file. Yields the outcomes of each piece of it; the caller takes its time. To be called once. */
  async *read(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<readonly Outcome[]> {
    for await (const chunk of chunks) {
      yield* this.#readPieces(this.#text.decode(chunk));
      if (this.#isOver) return;
    }
    yield* this.#readPieces(this.#text.end());
    if (this.#isOver) return;
    const outcomes = this.#finish();
    if (outcomes.length > 0) yield outcomes;
  }

  /** What is known so far. */
  get summary(): Summary {
    return {
      format: this.#detected?.format.name ?? null,
      encoding: this.#text.encoding ?? null,
      delimiter: this.#detected?.delimiter ?? null,
      records: this.#tally.records,
      taken: this.#tally.taken,
      refused: this.#tally.refused,
      left_out: this.#tally.leftOut,
      notes: this.#tally.notes,
    };
  }

  *#readPieces(pieces: Iterable<string>): Generator<readonly Outcome[]> {
    try {
      for (const piece of pieces) {
        const outcomes = this.#readPiece(piece);
        if (outcomes.length > 0) yield outcomes;
        if (this.#isOver) return;
      }
    } catch (error) {
      if (!(error instanceof WrongByteError)) throw error;
      // What came before the wrong byte may be too short to have told the format.
      const before = this.#detected === undefined ? this.#start() : [];
      yield [...before, this.#wrongByte(error)];
    }
  }

  #readPiece(text: string): Outcome[] {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineEnds += 1;
    if (this.#detected !== undefined) return this.#judge(this.#detected.reader.push(text));
    this.#probe += text;
    return this.#probe.length < PROBE_CHARACTERS ? [] : this.#start();
  }

  /** Finds out what the file is, and reads its beginning. */
  #start(): Outcome[] {
    const detected = detect(this.#probe.slice(0, PROBE_CHARACTERS), this.#options.from);
    if (!('reader' in detected)) return [this.#refuseFile(detected, 1)];
    this.#detected = detected;
    const text = this.#probe.slice(detected.skip);
    this.#probe = '';
    return this.#judge(detected.reader.push(text));
  }

  #finish(): Outcome[] {
    const outcomes = this.#detected === undefined ? this.#start() : [];
    if (this.#detected === undefined) return outcomes;
    const { format, reader } = this.#detected;
    outcomes.push(...this.#judge(reader.end()));
    this.#tally.noteDomains();
    const missing = format.findMissingPages?.(reader.envelope ?? {}, this.#tally.records);
    if (missing !== undefined) this.#tally.notes.push(missing);
    if (this.#codes.isFull)
      this.#tally.notes.push(`only the first ${this.#codes.size} codes were compared with those behind them`);
    return outcomes;
  }

  #judge(records: Iterable<FileRecord>): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const record of records) {
      this.#tally.records += 1;
      const place = { line: record.line, row: this.#tally.records };
      if ('fault' in record) outcomes.push(this.#tally.refuse({ ...place, code: null, ...record.fault }));
      else if (this.#options.isOnlyCounting !== true) {
        const characters = charactersIn(record.fields);
        this.#judgeFields(record.fields, { ...place, characters }, outcomes);
      }
    }
    return outcomes;
  }

  #judgeFields(
    given: Readonly<Record<string, unknown>>,
    place: { readonly line: number; readonly row: number; readonly characters: number },
    outcomes: Outcome[],
  ): void {
    const format = this.#detected?.format;
    if (format === undefined) return;
    const fields = new RecordFields(format, given, this.#names);
    let isTaken = false;
    for (const [part, judgement] of judgeRecord(fields, format, this.#options).entries()) {
      const { code, domain } = judgement;
      const fault = 'fault' in judgement ? judgement.fault : this.#codes.add(judgement.link, place.line);
      if (fault !== undefined) outcomes.push(this.#tally.refuse({ ...place, code, ...fault }));
      else if ('link' in judgement) {
        const { link, notes } = judgement;
        outcomes.push({ ...place, part, link, notes });
        this.#tally.take(domain);
        isTaken = true;
      }
    }
    if (isTaken) this.#tally.leaveOut(fields.leftOut());
  }

  #wrongByte({ encoding, offset }: WrongByteError): Outcome {
    const message = `byte ${offset} is no ${encoding}, and nothing behind it is read; save the file as UTF-8`;
    return this.#refuseFile(faultOf('wrong-encoding', null, message), this.#lineEnds + 1);
  }

  #refuseFile(fault: Fault, line: number): Outcome {
    this.#isOver = true;
    return this.#tally.refuse({ line, row: null, code: null, ...fault });
  }
}
