/** The address of an admin port, as a process announces it to others. */
export interface AnnouncedAdmin {
  /** Base URL. */
  readonly admin: string;
  /** Host name of the process; null if it announces none. */
  readonly host: string | null;
}

/**
 * Why a process on host `from` cannot reach the admin port, as far as the address shows it; undefined if
 * nothing speaks against it. The loopback address of another host leads to a process of our own host.
 */
export function whyOutOfReach({ admin, host }: AnnouncedAdmin, from: string): string | undefined {
  if (!URL.canParse(admin)) return 'its admin address is no URL';
  if (host === null || host === from) return undefined;
  const { hostname } = new URL(admin);
  if (hostname === '0.0.0.0' || hostname === '[::]')
    return `its admin address ${admin} means "all addresses", which leads nowhere from another host than ${host}`;
  if (hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname))
    return `its admin port ${admin} is only reached from its own host ${host}: set KEYMILL_ADMIN_HOST there`;
  return undefined;
}
