import { note, printPaced, type Terminal } from '../../runtime/terminal/terminal.ts';
import { visible } from '../../runtime/terminal/visible.ts';
import { describeRefusal } from './shorten-refusal.ts';
import { readLines, type Line } from './sources/lines.ts';
import type { Refusal, Shortened } from './sources/shortening.ts';

interface Order {
  readonly isJson: boolean;
  readonly make: (url: string) => Promise<Shortened>;
}

/** More of them are not faster: a mapper binds what comes at the same time with one INSERT. */
const LINES_AT_ONCE = 8;
/** The longest URL that any mapper can be configured to take, with room for white space. */
const MAX_LINE_BYTES = 16 * 1024;

interface Done {
  readonly line: number;
  /** Null: the line is blank. */
  readonly shortened: Shortened | null;
}

/**
 * Makes a link of each line of stdin. A line that is refused spoils no other; exit code 1. The answers come
 * in the order of the lines, each as soon as it is there, and only a few lines are in memory.
 * @throws UnreachableError when the service does not answer; what is printed until then is made
 */
export async function shortenLines(terminal: Terminal, { isJson, make }: Order): Promise<void> {
  const report = isJson ? new JsonReport(terminal) : new TextReport(terminal);
  const failure = Promise.withResolvers<never>();
  let hasFailed = false;
  const fail = (error: unknown): void => {
    hasFailed = true;
    failure.reject(error);
  };
  const readAll = async (): Promise<void> => {
    /** Each is done when the answer of its line, and so of all lines before it, is printed. */
    const reports: Promise<void>[] = [];
    for await (const line of readLines(terminal.input, MAX_LINE_BYTES)) {
      if (hasFailed) return;
      const work = shortenLine(line, make);
      // Awaited in its turn. Until then its failure is nobody's.
      work.catch(() => undefined);
      const before = reports.at(-1);
      const reported = reportAfter(before, work, report);
      reported.catch(fail);
      reports.push(reported);
      if (reports.length >= LINES_AT_ONCE) await reports.shift();
    }
    await reports.at(-1);
  };
  try {
    // The next line may never come, and a failure must not wait for it.
    await Promise.race([readAll(), failure.promise]);
  } catch (error) {
    note(terminal, `stopped before line ${report.lines + 1}; the lines before it are done`);
    throw error;
  } finally {
    await report.end();
  }
  if (report.refused > 0) terminal.exitCode = 1;
}

async function reportAfter(
  before: Promise<void> | undefined,
  work: Promise<Done>,
  report: TextReport | JsonReport,
): Promise<void> {
  await before;
  await report.add(await work);
}

async function shortenLine({ number, text }: Line, make: Order['make']): Promise<Done> {
  if (text === undefined) return { line: number, shortened: { refusal: TOO_LONG } };
  if (text.trim() === '') return { line: number, shortened: null };
  return { line: number, shortened: await make(text.trim()) };
}

const TOO_LONG: Refusal = {
  status: 422,
  kind: 'invalid-request',
  detail: '',
  errors: [{ field: 'long_url', reason: `must not be longer than ${MAX_LINE_BYTES} bytes` }],
};

/** A line for each line: so the two can be put beside each other. */
class TextReport {
  readonly #terminal: Terminal;
  lines = 0;
  refused = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  async add({ line, shortened }: Done): Promise<void> {
    const isMade = shortened !== null && 'link' in shortened;
    await printPaced(this.#terminal, `${isMade ? visible(shortened.link.short_url) : ''}\n`);
    this.lines = line;
    if (shortened === null || isMade) return;
    this.refused += 1;
    for (const reason of describeRefusal(shortened.refusal)) note(this.#terminal, `line ${line}: ${reason}`);
  }

  async end(): Promise<void> {
    if (this.refused > 0) note(this.#terminal, `${this.refused} of ${this.lines} lines refused`);
  }
}

/** One JSON document, which is written while the lines are read. */
class JsonReport {
  readonly #terminal: Terminal;
  #separator = '{"items":[\n';
  #made = 0;
  lines = 0;
  refused = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  async add({ line, shortened }: Done): Promise<void> {
    this.lines = line;
    if (shortened === null) return;
    if ('link' in shortened) this.#made += 1;
    else this.refused += 1;
    const item = 'link' in shortened ? { line, ...shortened } : { line, errors: errorsOf(shortened.refusal) };
    await printPaced(this.#terminal, `${this.#separator}${JSON.stringify(item)}`);
    this.#separator = ',\n';
  }

  async end(): Promise<void> {
    const begin = this.#separator === ',\n' ? '' : this.#separator;
    await printPaced(this.#terminal, `${begin}\n],\n"made":${this.#made},\n"refused":${this.refused}}\n`);
  }
}

function errorsOf({ errors, detail }: Refusal): Refusal['errors'] {
  return errors.length > 0 ? errors : [{ field: '', reason: detail }];
}
