import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { toTold, type Outcome, type Summary } from '../../mapper/import/outcome.ts';
import type { ImportSummary } from '../../mapper/import-jobs/import-tally.ts';
import type { ImportOutcome } from '../../mapper/import-jobs/stored-outcome.ts';
import { visible } from '../../runtime/terminal/visible.ts';

/** Writes what becomes of a file, while it is read. */
export interface Report {
  /** What was only read, or what was stored. */
  add(outcomes: readonly (Outcome | ImportOutcome)[]): Promise<void>;
  end(summary: Summary | ImportSummary): Promise<void>;
  /** There is no summary: the file could not be read to its end. */
  breakOff(): Promise<void>;
}

const BEGIN = '{"outcomes":[\n';

/** One JSON document: every outcome in a line of its own, then the summary. */
export class JsonReport implements Report {
  readonly #out: Writable;
  #separator = BEGIN;

  constructor(out: Writable) {
    this.#out = out;
  }

  async add(outcomes: readonly (Outcome | ImportOutcome)[]): Promise<void> {
    const lines = outcomes.map((outcome) => {
      const line = `${this.#separator}${JSON.stringify(toTold(outcome))}`;
      this.#separator = ',\n';
      return line;
    });
    await write(this.#out, lines.join(''));
  }

  async end(summary: Summary | ImportSummary): Promise<void> {
    await this.#end(summary);
  }

  /** The summary of a document that was begun is null. */
  async breakOff(): Promise<void> {
    if (this.#separator !== BEGIN) await this.#end(null);
  }

  async #end(summary: Summary | ImportSummary | null): Promise<void> {
    const begin = this.#separator === BEGIN ? BEGIN : '';
    await write(this.#out, `${begin}\n],\n"summary":${JSON.stringify(summary, null, 2)}}\n`);
  }
}

/** For a person: what is not taken, or not as it is, and the summary. */
export class TextReport implements Report {
  readonly #out: Writable;

  constructor(out: Writable) {
    this.#out = out;
  }

  async add(outcomes: readonly (Outcome | ImportOutcome)[]): Promise<void> {
    await write(this.#out, outcomes.flatMap(linesOf).map(toLine).join(''));
  }

  async end(summary: Summary | ImportSummary): Promise<void> {
    const { format, encoding, records, taken, refused, left_out: leftOut, notes } = summary;
    const links = 'stored' in summary ? storedLinks(summary) : `${taken} links would be taken`;
    const counts = (of: Readonly<Record<string, number>>): string =>
      Object.entries(of)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ');
    const lines = [
      `${format ?? 'unknown format'}, ${encoding ?? 'unknown encoding'}: ${records} records, ${links}`,
      ...(Object.keys(refused).length === 0 ? [] : [`not taken: ${counts(refused)}`]),
      ...(Object.keys(leftOut).length === 0 ? [] : [`fields left out: ${counts(leftOut)}`]),
      ...notes,
    ];
    await write(this.#out, lines.map(toLine).join(''));
  }

  async breakOff(): Promise<void> {
    // What was found until then is told.
  }
}

function storedLinks({ stored, overwritten }: ImportSummary): string {
  return `${stored} links are stored${overwritten === 0 ? '' : `, ${overwritten} of them in the place of others`}`;
}

function linesOf(outcome: Outcome | ImportOutcome): string[] {
  const { line, row } = outcome;
  const place = row === null ? `line ${line}` : `line ${line}, row ${row}`;
  if ('link' in outcome) {
    const result = 'result' in outcome ? outcome.result : 'taken';
    return outcome.notes.map((text) => `${place}: ${result}; ${text}`);
  }
  const field = outcome.field === null ? '' : `${outcome.field}: `;
  return [`${place}: not taken; ${field}${outcome.message} (${outcome.reason})`];
}

function toLine(text: string): string {
  return `${visible(text, '')}\n`;
}

/** Waits while the reader of our output is slow, so that it need not be kept in memory. */
async function write(out: Writable, text: string): Promise<void> {
  if (text !== '' && !out.write(text)) await once(out, 'drain');
}
