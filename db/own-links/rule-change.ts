import type { LinkRules, RuledTarget } from '../urls/link-rules.ts';
import type { LinkState } from './own-link.ts';

/**
 * What a request says about the rules of a link. A field that is absent leaves its rule as it is. null, and
 * what every plain link does, end it.
 */
export interface RuleChange {
  readonly disabled?: boolean | null | undefined;
  /** The reason of an administrator. */
  readonly blocked?: string | null | undefined;
  readonly redirectType?: 301 | 302 | 307 | 308 | null | undefined;
  readonly validFrom?: Date | null | undefined;
  readonly forwardQuery?: boolean | null | undefined;
  readonly targets?: readonly RuledTarget[] | null | undefined;
  readonly expiredUrl?: string | null | undefined;
  readonly passwordHash?: string | null | undefined;
  readonly maxVisits?: number | null | undefined;
  readonly noindex?: boolean | null | undefined;
}

type Field = keyof RuleChange;

const ifTrue = (isOn: boolean): true | undefined => (isOn ? true : undefined);
const asItIs = <Value>(value: Value): Value => value;

/** The rule for each field, as it is stored. undefined: a plain link has none. */
const RULE_OF: {
  readonly [F in Field]-?: (value: NonNullable<RuleChange[F]>) => LinkRules[F] | undefined;
} = {
  disabled: ifTrue,
  blocked: asItIs,
  redirectType: (type) => (type === 302 ? undefined : type),
  validFrom: (at) => at.toISOString(),
  forwardQuery: ifTrue,
  targets: (targets) => (targets.length === 0 ? undefined : targets),
  expiredUrl: asItIs,
  passwordHash: asItIs,
  maxVisits: asItIs,
  noindex: ifTrue,
};

/** The rules after a change. Those that this program does not know stay. Pure. */
export function changeRules(rules: LinkRules, change: RuleChange): LinkRules {
  const changed = new Map<string, unknown>(Object.entries(rules));
  for (const field of Object.keys(RULE_OF) as Field[]) {
    const value = change[field];
    if (value === undefined) continue;
    const rule = value === null ? undefined : RULE_OF[field](value as never);
    if (rule === undefined) changed.delete(field);
    else changed.set(field, rule);
  }
  return Object.fromEntries(changed);
}

/** Whether a link would never be followed: it expires before it is valid. Pure. */
export function isNeverValid({ rules, expiresAt }: Pick<LinkState, 'rules' | 'expiresAt'>): boolean {
  const { validFrom } = rules;
  return validFrom !== undefined && expiresAt !== null && Date.parse(validFrom) >= expiresAt.getTime();
}
