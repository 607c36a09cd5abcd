import type { OwnLink } from '../../db/own-links/own-link.ts';

/** Who asks. An administrator may read and change every link. */
export interface Caller {
  readonly userId: bigint;
  readonly isAdmin: boolean;
}

/** Who asks now: before each part of a long request. @throws what is then the error of that part */
export type IdentifyCaller = () => Promise<Caller>;

/** Whose links a read finds. Undefined: everybody's. */
export function ownerAskedFor({ userId, isAdmin }: Caller): bigint | undefined {
  return isAdmin ? undefined : userId;
}

export function mayAccess({ userId, isAdmin }: Caller, link: OwnLink): boolean {
  return isAdmin || link.userId === userId;
}
