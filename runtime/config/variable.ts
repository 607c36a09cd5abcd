/** The description of a variable. A test compares `docs/configuration.md` with this table. */
export interface Variable {
  readonly meaning: string;
  /** The benefit and the cost of another value. */
  readonly tradeOff?: string;
  readonly default?: string;
  readonly unit?: string;
  /** Can also be read from the file that `NAME_FILE` names. Its value is never printed. */
  readonly secret?: true;
}
