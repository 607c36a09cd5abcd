import { readFileSync } from 'node:fs';
import { codeOf, KeymillError } from '../errors.ts';
import { showSetting } from '../redact.ts';
import type { Variable } from './variable.ts';
import { VARIABLES, type VariableName } from './variables.ts';

/** One invalid setting: the variable, its value, and what would be valid. */
export interface Fault {
  readonly variable: string;
  readonly value: string;
  readonly expected: string;
}

/**
 * Thrown when a process has invalid settings. Lists all of them. Correct the named variables and start again.
 */
export class ConfigError extends KeymillError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    const lines = faults.map(
      ({ variable, value, expected }) => `  ${variable}=${value}: expected ${expected}`,
    );
    super('BAD_CONFIG', `configuration: ${faults.length} fault(s)\n${lines.join('\n')}`);
    this.faults = faults;
  }
}

/** Reads variables one by one and collects all faults, so that a person can correct them together. */
export class Env {
  readonly faults: Fault[] = [];
  readonly #source: Readonly<Record<string, string | undefined>>;

  constructor(source: Readonly<Record<string, string | undefined>> = process.env) {
    this.#source = source;
  }

  /**
   * The value of the variable, or else of the file that `…_FILE` names. Undefined when it is empty.
   * @param mayBeAbsent a file that is not there counts as empty, too
   */
  find(name: VariableName, mayBeAbsent = false): string | undefined {
    const variable = `KEYMILL_${name}`;
    const direct = this.#source[variable];
    const isSecret = 'secret' in VARIABLES[name];
    const file = isSecret ? this.#source[`${variable}_FILE`] : undefined;
    if (direct && file)
      this.#push(`${variable}_FILE`, showSetting(file), `either ${variable} or ${variable}_FILE, not both`);
    if (direct) return direct.trim();
    if (!file) return undefined;
    try {
      return readFileSync(file, 'utf8').trim();
    } catch (error) {
      if (mayBeAbsent && codeOf(error) === 'ENOENT') return undefined;
      this.#push(`${variable}_FILE`, showSetting(file), `a readable file (${codeOf(error)})`);
      return undefined;
    }
  }

  string(name: VariableName, expected: string): string {
    const value = this.find(name);
    if (value) return value;
    this.fault(name, expected);
    return '';
  }

  integer(name: VariableName, fallback: number, min: number, max: number): number {
    const value = this.find(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    const { unit }: Variable = VARIABLES[name];
    this.fault(name, `a whole number from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`);
    return fallback;
  }

  boolean(name: VariableName, fallback: boolean): boolean {
    const value = this.find(name);
    if (value === undefined) return fallback;
    if (value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    this.fault(name, 'true or false');
    return fallback;
  }

  oneOf<T extends string>(name: VariableName, allowed: readonly T[], fallback: T): T {
    const value = this.find(name);
    if (value === undefined) return fallback;
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) this.fault(name, `one of ${allowed.join(', ')}`);
    return found ?? fallback;
  }

  /** Records a fault of a variable. A secret is left out, and every value that may contain a password. */
  fault(name: VariableName, expected: string): void {
    const raw = this.#source[`KEYMILL_${name}`];
    const shown =
      raw === undefined || raw === ''
        ? '(not set)'
        : 'secret' in VARIABLES[name]
          ? '(hidden)'
          : showSetting(raw);
    this.#push(`KEYMILL_${name}`, shown, expected);
  }

  /** @throws ConfigError with every fault seen so far */
  throwIfFaulty(): void {
    if (this.faults.length > 0) throw new ConfigError(this.faults);
  }

  #push(variable: string, value: string, expected: string): void {
    this.faults.push({ variable, value, expected });
  }
}

const THREADS = 'UV_THREADPOOL_SIZE';
/** What Node starts if nobody says how many. */
const USUAL_THREADS = 4;

/** How many threads Node has for files and host names. */
export function readThreads(): number {
  return Number(process.env[THREADS]) || USUAL_THREADS;
}

/** Before the first of them starts. An operator may have set another number. */
export function setThreads(count: number): void {
  process.env[THREADS] ??= String(count);
}
