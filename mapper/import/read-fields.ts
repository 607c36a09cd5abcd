import { nameOf, type Field, type Format } from './formats/format.ts';
import type { Fields } from './record.ts';

/** Cells that begin like a formula, or like one behind quotes: they have one quote more than their text. */
const FORMULA_QUOTE = /^'(?='*[=+\-@\t\r])/;

/** Of which blanks are a value. */
const TEXTS: ReadonlySet<Field> = new Set(['code', 'title', 'tags'] as const);

/** The names of a file are few. A JSON file could invent new ones in every record. */
const MAX_NAMES = 1_000;

/** Remembers how the names of a file are compared, which would else be computed for every record. */
export class FieldNames {
  readonly #names = new Map<string, string>();

  nameOf(spelled: string): string {
    const known = this.#names.get(spelled);
    if (known !== undefined) return known;
    const name = nameOf(spelled);
    if (this.#names.size < MAX_NAMES) this.#names.set(spelled, name);
    return name;
  }
}

/** The fields of one record by the names of a format. Remembers which were asked for. */
export class RecordFields {
  readonly #format: Format;
  readonly #values = new Map<string, unknown>();
  readonly #spelled = new Map<string, string>();
  readonly #asked = new Set<string>();

  constructor(format: Format, fields: Fields, names: FieldNames) {
    this.#format = format;
    for (const [spelled, value] of Object.entries(fields)) {
      if (isEmpty(value)) continue;
      const compared = names.nameOf(spelled);
      // Of two names that are compared as one, the first counts. The other is left out, and counted.
      const name = this.#values.has(compared) ? ` ${spelled}` : compared;
      this.#spelled.set(name, spelled);
      this.#values.set(name, this.#withoutQuote(value));
    }
  }

  /** The value of a name. Undefined: the record has none, or it says nothing. */
  find(name: string): unknown {
    this.#asked.add(name);
    return this.#values.get(name);
  }

  /** The value of a field of a link, by the first of its names that has one. */
  take(field: Field): unknown {
    for (const name of this.#format.fields[field] ?? []) {
      const value = this.#values.get(name);
      if (value === undefined || (!TEXTS.has(field) && typeof value === 'string' && value.trim() === ''))
        continue;
      if ((value === 0 || value === '0') && this.#format.zeroMeansNone?.includes(field) === true) continue;
      this.#asked.add(name);
      return value;
    }
    return undefined;
  }

  /** The names, as the file spells them, of the values that nobody asked for. */
  leftOut(): string[] {
    const left: string[] = [];
    for (const [name, value] of this.#values)
      if (!this.#asked.has(name) && !saysNothing(value) && this.#format.redundant?.includes(name) !== true)
        left.push(this.#spelled.get(name) ?? name);
    return left;
  }

  #withoutQuote(value: unknown): unknown {
    if (this.#format.hasFormulaQuotes !== true || typeof value !== 'string') return value;
    return value.startsWith("'") ? value.replace(FORMULA_QUOTE, '') : value;
  }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || value === null || isEmptyObject(value);
}

/** Such as `"archived": false`: a field that is not used. */
function saysNothing(value: unknown): boolean {
  return value === false || value === 0 || (typeof value === 'string' && value.trim() === '');
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
